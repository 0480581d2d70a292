import { StoreFault, StoreFullError, StoreRefusedError, StoreUnavailableError } from "#model/block-store.ts";
import { Failure, TransportError } from "./http/message.ts";
import type { S3Settings } from "./options.ts";

/** The code an S3 server gave ("NoSuchKey"), or the name of whatever error it is. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return "";
  if ("Code" in error && typeof error.Code === "string") return error.Code;
  return error.name;
}

/** The HTTP status of the answer that became this error, or 0. */
export function statusOf(error: unknown): number {
  const metadata = error instanceof Error && "$metadata" in error ? (error.$metadata as { httpStatusCode?: number }) : {};
  return metadata.httpStatusCode ?? 0;
}

const throttles = new Set(["SlowDown", "Throttling", "ThrottlingException", "TooManyRequests", "RequestLimitExceeded", "ServiceUnavailable", "OperationAborted"]);
const fullCodes = new Set(["QuotaExceeded", "XMinioStorageFull", "InsufficientStorage", "InsufficientCapacity", "EntityQuotaExceeded", "NoSpaceLeft"]);
const retriedCodes = new Set(["RequestTimeout", "RequestTimeoutException", "ConditionalRequestConflict", "BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody", "RequestTimeTooSkewed"]);

/** The store asked for fewer requests. */
export function isThrottle(error: unknown): boolean {
  return throttles.has(codeOf(error)) || statusOf(error) === 429 || statusOf(error) === 503;
}

/** What a store does in its bucket. */
const rightsNeeded = "s3:ListBucket and s3:ListBucketMultipartUploads of the bucket, and s3:GetObject, s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload of its objects";

const keyCodes = new Set(["InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken"]);

/** The server objects to the keys: others may be right. */
export function isOfKeys(error: unknown): boolean {
  return keyCodes.has(codeOf(error));
}

/** Another try may do what this one did not. */
export function isTransient(error: unknown): boolean {
  if (error instanceof StoreUnavailableError) return true;
  if (error instanceof TransportError) return error.code !== Failure.untrusted && error.code !== Failure.notTls && error.code !== Failure.closed && !isCertificate(error);
  const status = statusOf(error);
  if (fullCodes.has(codeOf(error)) || status === 507 || status === 501) return false;
  return isThrottle(error) || status >= 500 || status === 408 || retriedCodes.has(codeOf(error));
}

/** An answer that is no S3 server's: a page of HTML, say. The SDK has no better sign of it than the text. */
function isForeign(error: unknown): boolean {
  return error instanceof SyntaxError || (error instanceof Error && /deserialization error|xml parse error/i.test(error.message));
}

function isCertificate(error: TransportError): boolean {
  return /CERT|ALTNAME|SELF_SIGNED|UNABLE_TO_VERIFY|ISSUER/.test(error.code);
}

/** What the port promises to throw instead of `error`; errors that are of the port already stay. `doing`: "storing object k". */
export function portError(error: unknown, settings: S3Settings, doing: string): Error {
  if (error instanceof StoreRefusedError || error instanceof StoreUnavailableError || error instanceof StoreFullError) return error;
  if (error instanceof TransportError) return transportError(error, settings, doing);
  const code = codeOf(error);
  const text = error instanceof Error ? error.message : String(error);
  const said = text === "" || text === code || text === "UnknownError" ? code : `${code}: ${text}`;
  if (fullCodes.has(code) || statusOf(error) === 507) return new StoreFullError(`${doing}: the store has no room (${said}); raise the quota or free some`);
  const refused = refusal(code, error, settings);
  if (refused !== null) return new StoreRefusedError(refused[0], `${doing}: ${refused[1]} (${said})`, { cause: error });
  if (isTransient(error)) return new StoreUnavailableError(`${doing}: ${whereOf(settings)} answers with status ${statusOf(error)} (${said}); it will be tried again`, { cause: error });
  if (isForeign(error))
    return new StoreRefusedError(StoreFault.endpoint, `${doing}: what answers at ${whereOf(settings)} does not speak S3; check the endpoint's host and port`, { cause: error });
  if (error instanceof Error && statusOf(error) === 0) return error;
  return new Error(`${doing}: ${whereOf(settings)} answered with status ${statusOf(error)} (${said})`, { cause: error });
}

export function whereOf(settings: S3Settings): string {
  return settings.endpoint ?? `S3 of region ${settings.region}`;
}

function transportError(error: TransportError, settings: S3Settings, doing: string): Error {
  const where = whereOf(settings);
  if (error.code === Failure.notTls)
    return new StoreRefusedError(StoreFault.endpoint, `${doing}: what answers at ${where} does not speak TLS; if it speaks plain HTTP write http:// instead of https://, else give the port that has TLS`, { cause: error });
  if (error.code === Failure.untrusted || isCertificate(error))
    return new StoreRefusedError(
      StoreFault.certificate,
      `${doing}: ${where}: ${error.message}; name the file of the authority that signed it, or use the host name it was made for`,
      { cause: error },
    );
  return new StoreUnavailableError(`${doing}: ${where} can't be reached: ${error.message}${error.code === "" ? "" : ` (${error.code})`}`, { cause: error });
}

/** Which setting the server objects to, and what to do; null where it does not. */
function refusal(code: string, error: unknown, settings: S3Settings): readonly [StoreFault, string] | null {
  const { bucket } = settings;
  switch (code) {
    case "InvalidAccessKeyId":
      return [StoreFault.key, "the access key is unknown there; check that it was copied whole and belongs to this endpoint"];
    case "SignatureDoesNotMatch":
      return [StoreFault.secret, "the secret key is not the one of this access key; give it again"];
    case "ExpiredToken":
    case "ExpiredTokenException":
    case "TokenRefreshRequired":
    case "InvalidToken":
      return [StoreFault.credentials, "the temporary credentials have expired or are not valid; renew them, or give permanent keys"];
    case "CredentialsProviderError":
    case "CredentialsError":
      return [StoreFault.credentials, "no keys are given, and none were found in environment, profile or instance role"];
    case "NoSuchBucket":
      return [StoreFault.bucket, `there is no bucket "${bucket}"; make it, or check its name`];
    case "InvalidBucketName":
      return [StoreFault.bucket, `"${bucket}" can't be the name of a bucket there`];
    case "BucketAlreadyExists":
      return [StoreFault.bucket, `the bucket "${bucket}" belongs to somebody else; choose another name`];
    case "RequestTimeTooSkewed":
    case "RequestExpired":
      return [StoreFault.clock, "the clock of this machine differs too much from the server's; set it (by NTP)"];
    case "AuthorizationHeaderMalformed":
    case "PermanentRedirect":
    case "TemporaryRedirect":
    case "IllegalLocationConstraintException":
    case "InvalidLocationConstraint":
      return [StoreFault.region, `the region "${settings.region}" is not the one of bucket "${bucket}"${regionHint(error)}`];
    default:
      return refusalByStatus(error, settings);
  }
}

function refusalByStatus(error: unknown, { bucket, region }: S3Settings): readonly [StoreFault, string] | null {
  switch (statusOf(error)) {
    case 301:
    case 307:
    case 308:
      return [StoreFault.region, `the server refers elsewhere: the region "${region}" or the endpoint is not the one of bucket "${bucket}"${regionHint(error)}`];
    case 401:
    case 403:
      return [StoreFault.permission, `the key may not do this in bucket "${bucket}"; it needs ${rightsNeeded}`];
    default:
      return null;
  }
}

function regionHint(error: unknown): string {
  const region = error instanceof Error && "Region" in error && typeof error.Region === "string" ? error.Region : null;
  return region === null ? "" : `; it is "${region}"`;
}
