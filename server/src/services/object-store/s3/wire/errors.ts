// S3's errors: a code, its status, a sentence (docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html).
import { Fault, type FaultKind } from '#lib/fault.ts'

const codes = {
  AccessDenied: [403, 'Access Denied'],
  AuthorizationHeaderMalformed: [400, 'The authorization header that you provided is not valid.'],
  AuthorizationQueryParametersError: [400, 'The authorization query parameters that you provided are not valid.'],
  AccessForbidden: [403, 'CORSResponse: This CORS request is not allowed.'],
  BadRequest: [400, 'The request cannot be understood.'],
  BadDigest: [400, 'The Content-MD5 or checksum value that you specified did not match what the server received.'],
  BucketAlreadyExists: [409, 'The requested bucket name is not available.'],
  BucketAlreadyOwnedByYou: [409, 'The bucket that you tried to create already exists, and you own it.'],
  BucketNotEmpty: [409, 'The bucket that you tried to delete is not empty.'],
  ConditionalRequestConflict: [409, 'A conflicting operation occurred during this request; try it again.'],
  EntityTooLarge: [400, 'Your proposed upload exceeds the maximum allowed object size.'],
  EntityTooSmall: [400, 'Your proposed upload is smaller than the minimum allowed object size.'],
  IllegalVersioningConfigurationException: [400, 'The versioning configuration specified in the request is not valid.'],
  IncompleteBody: [400, 'You did not provide the number of bytes specified by the Content-Length HTTP header.'],
  InternalError: [500, 'An internal error occurred. Try again.'],
  InvalidAccessKeyId: [403, 'The access key ID that you provided does not exist in our records.'],
  InvalidArgument: [400, 'Invalid Argument'],
  InvalidBucketName: [400, 'The specified bucket is not valid.'],
  InvalidBucketState: [409, 'The request is not valid for the current state of the bucket.'],
  InvalidDigest: [400, 'The Content-MD5 or checksum value that you specified is not valid.'],
  InvalidEncryptionAlgorithmError: [400, 'The encryption request that you specified is not valid.'],
  InvalidLocationConstraint: [400, 'The specified location constraint is not valid.'],
  InvalidObjectState: [403, 'The operation is not valid for the current state of the object.'],
  InvalidPart: [
    400,
    'One or more of the specified parts could not be found. The part might not have been uploaded, or the specified entity tag might not have matched.',
  ],
  InvalidPartNumber: [416, 'The requested partnumber is not satisfiable'],
  InvalidPartOrder: [400, 'The list of parts was not in ascending order.'],
  InvalidRange: [416, 'The requested range is not satisfiable'],
  InvalidRequest: [400, 'Invalid Request'],
  InvalidRetentionPeriod: [400, 'The retention period is not valid.'],
  InvalidStorageClass: [400, 'The storage class you specified is not valid'],
  InvalidTag: [400, 'The tag provided was not a valid tag.'],
  InvalidTargetBucketForLogging: [400, 'The target bucket for logging does not exist or is not yours.'],
  InvalidURI: [400, "Couldn't parse the specified URI."],
  'KMS.DisabledException': [400, 'The key is disabled.'],
  'KMS.KMSInvalidStateException': [400, 'The key cannot be used in the state it is in.'],
  'KMS.NotFoundException': [400, 'The key does not exist.'],
  KeyTooLongError: [400, 'Your key is too long'],
  MalformedACLError: [400, 'The XML that you provided was not well formed or did not validate against our schema'],
  MalformedPolicy: [400, 'The policy is not in the valid JSON format.'],
  MalformedXML: [400, 'The XML you provided was not well-formed or did not validate against our published schema'],
  MaxMessageLengthExceeded: [400, 'Your request was too large.'],
  MetadataTooLarge: [400, 'Your metadata headers exceed the maximum allowed metadata size.'],
  MethodNotAllowed: [405, 'The specified method is not allowed against this resource.'],
  MissingContentLength: [411, 'You must provide the Content-Length HTTP header.'],
  MissingRequestBodyError: [400, 'Request body is empty.'],
  MissingSecurityHeader: [400, 'Your request is missing a required header.'],
  NoSuchBucket: [404, 'The specified bucket does not exist'],
  NoSuchBucketPolicy: [404, 'The bucket policy does not exist'],
  NoSuchCORSConfiguration: [404, 'The CORS configuration does not exist'],
  NoSuchKey: [404, 'The specified key does not exist.'],
  NoSuchLifecycleConfiguration: [404, 'The lifecycle configuration does not exist'],
  NoSuchObjectLockConfiguration: [404, 'The specified object does not have a ObjectLock configuration'],
  NoSuchPublicAccessBlockConfiguration: [404, 'The public access block configuration was not found'],
  NoSuchTagSet: [404, 'The TagSet does not exist'],
  NoSuchUpload: [
    404,
    'The specified multipart upload does not exist. The upload ID might be invalid, or the multipart upload might have been aborted or completed.',
  ],
  NoSuchVersion: [404, 'The specified version does not exist.'],
  NoSuchWebsiteConfiguration: [404, 'The specified bucket does not have a website configuration'],
  NotImplemented: [501, 'A header or query you provided implies functionality that is not implemented.'],
  NotModified: [304, 'Not Modified'],
  ObjectLockConfigurationNotFoundError: [404, 'Object Lock configuration does not exist for this bucket'],
  OperationAborted: [409, 'A conflicting conditional operation is currently in progress against this resource.'],
  OwnershipControlsNotFoundError: [404, 'The bucket ownership controls were not found'],
  PreconditionFailed: [412, 'At least one of the pre-conditions you specified did not hold'],
  QuotaExceeded: [403, 'The quota of the account or the bucket has no room for this.'],
  RequestTimeTooSkewed: [403, "The difference between the request time and the server's time is too large."],
  ServerSideEncryptionConfigurationNotFoundError: [404, 'The server side encryption configuration was not found'],
  ServiceUnavailable: [503, 'Service is unable to handle request. Try again in a moment.'],
  SignatureDoesNotMatch: [
    403,
    'The request signature that the server calculated does not match the signature that you provided. Check your secret key and signing method.',
  ],
  SlowDown: [503, 'Please reduce your request rate.'],
  StorageFull: [507, 'There is not enough space left to store the object.'],
  AccessControlListNotSupported: [400, 'The bucket does not allow ACLs'],
  InvalidBucketAclWithObjectOwnership: [400, 'Bucket cannot have ACLs set with ObjectOwnership BucketOwnerEnforced'],
  UnexpectedContent: [400, 'This request does not support content'],
  UnresolvableGrantByEmailAddress: [400, 'The email address you provided does not match any account on record.'],
  TooManyBuckets: [400, 'You have attempted to create more buckets than allowed'],
  XAmzContentSHA256Mismatch: [400, "The provided 'x-amz-content-sha256' header does not match what was computed."],
} as const satisfies Record<string, readonly [number, string]>

export type S3Code = keyof typeof codes

const kindOf: Record<number, FaultKind> = {
  403: 'forbidden',
  404: 'notFound',
  405: 'methodNotAllowed',
  409: 'conflict',
  412: 'preconditionFailed',
  416: 'badRange',
  501: 'notImplemented',
  503: 'unavailable',
  507: 'noSpace',
}

/** Ends the request with this code. `message` in place of the usual sentence; `about`: further elements of the reply. */
export function refuse(code: S3Code, message?: string, about?: Record<string, string>): never {
  const [status, usual] = codes[code]
  throw new Fault(kindOf[status] ?? 'invalid', message ?? usual, { code, details: about })
}

const codeOfKind: Record<FaultKind, S3Code> = {
  invalid: 'InvalidRequest',
  unauthenticated: 'AccessDenied',
  forbidden: 'AccessDenied',
  notFound: 'NoSuchKey',
  conflict: 'OperationAborted',
  overQuota: 'QuotaExceeded',
  noCapacity: 'ServiceUnavailable',
  noSpace: 'StorageFull',
  unavailable: 'ServiceUnavailable',
  tooLarge: 'EntityTooLarge',
  notAcceptable: 'InvalidRequest',
  unsupportedMedia: 'InvalidRequest',
  methodNotAllowed: 'MethodNotAllowed',
  gone: 'NoSuchKey',
  badRange: 'InvalidRange',
  preconditionFailed: 'PreconditionFailed',
  notImplemented: 'NotImplemented',
  tooMany: 'SlowDown',
}

export interface S3Error {
  code: S3Code
  status: number
  message: string
  about: Record<string, string>
}

/** A Fault in S3's words; undefined (a bug) becomes InternalError. */
export function errorOf(fault: Fault | undefined): S3Error {
  if (!fault) return { code: 'InternalError', status: 500, message: codes.InternalError[1], about: {} }
  const code = codeOf(fault)
  return {
    code,
    status: codes[code][0],
    message: fault.message,
    about: (fault.details ?? {}) as Record<string, string>,
  }
}

function codeOf({ kind, code = '' }: Fault): S3Code {
  if (Object.hasOwn(codes, code)) return code as S3Code
  // what the store beneath says, in its own words
  if (code === 'ContainerNotFound') return 'NoSuchBucket'
  return codeOfKind[kind]
}
