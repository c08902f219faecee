import { Type } from 'typebox'

const text = Type.Optional(Type.String())
const Domain = Type.Object({ id: text, name: text })
const user = { id: text, name: text, domain: Type.Optional(Domain) }

// Keystone ignores members it does not know here, and so do we.
export const CreateToken = Type.Object({
  auth: Type.Object({
    identity: Type.Object({
      methods: Type.Array(Type.String(), { minItems: 1, maxItems: 10 }),
      password: Type.Optional(Type.Object({ user: Type.Object({ ...user, password: Type.String() }) })),
      token: Type.Optional(Type.Object({ id: Type.String() })),
      mapped: Type.Optional(Type.Object({ id: Type.String() })),
      saml2: Type.Optional(Type.Object({ id: Type.String() })),
      totp: Type.Optional(Type.Object({ user: Type.Object({ ...user, passcode: Type.String() }) })),
      oauth1: Type.Optional(Type.Object({})),
      application_credential: Type.Optional(
        Type.Object({ id: text, name: text, user: Type.Optional(Type.Object(user)), secret: Type.String() }),
      ),
    }),
    scope: Type.Optional(
      Type.Union([
        Type.Literal('unscoped'),
        Type.Object({ project: Type.Object({ id: text, name: text, domain: Type.Optional(Domain) }) }),
        Type.Object({ domain: Domain }),
        Type.Object({ system: Type.Object({ all: Type.Literal(true) }) }),
        Type.Object({ 'OS-TRUST:trust': Type.Object({ id: Type.String() }) }),
        Type.Object({ unscoped: Type.Object({}) }),
      ]),
    ),
  }),
})
