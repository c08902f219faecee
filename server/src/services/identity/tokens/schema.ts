import { Type } from 'typebox'
import { authMethods } from './sealed.ts'

const Domain = Type.Object({ id: Type.Optional(Type.String()), name: Type.Optional(Type.String()) })

// Keystone ignores members it does not know here, and so do we.
export const CreateToken = Type.Object({
  auth: Type.Object({
    identity: Type.Object({
      methods: Type.Array(Type.Enum([...authMethods]), { minItems: 1 }),
      password: Type.Optional(
        Type.Object({
          user: Type.Object({
            id: Type.Optional(Type.String()),
            name: Type.Optional(Type.String()),
            password: Type.String(),
            domain: Type.Optional(Domain),
          }),
        }),
      ),
      token: Type.Optional(Type.Object({ id: Type.String() })),
    }),
    scope: Type.Optional(
      Type.Union([
        Type.Literal('unscoped'),
        Type.Object({
          project: Type.Object({
            id: Type.Optional(Type.String()),
            name: Type.Optional(Type.String()),
            domain: Type.Optional(Domain),
          }),
        }),
        Type.Object({ domain: Domain }),
        Type.Object({ system: Type.Object({ all: Type.Literal(true) }) }),
        Type.Object({ unscoped: Type.Object({}) }),
      ]),
    ),
  }),
})
