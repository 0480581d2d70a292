import type { ErrorCode, Problem } from "#api/contract/problem.ts";

/** The server refused a call. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly problem: Problem;
  readonly retryAfterSec: number | null;

  constructor(problem: Problem, retryAfterSec: number | null) {
    super(problem.detail);
    this.problem = problem;
    this.retryAfterSec = retryAfterSec;
  }

  /** Stable, for programs. A newer server may have codes this program doesn't know. */
  get code(): ErrorCode {
    return this.problem.code as ErrorCode;
  }

  get status(): number {
    return this.problem.status;
  }
}

/** There was no answer, or none of a DittoFS server: the message says which address and what to check. */
export class ConnectError extends Error {
  override readonly name = "ConnectError";
  readonly url: string;

  constructor(url: string, message: string, cause?: unknown) {
    super(message, { cause });
    this.url = url;
  }
}

const certificateCodes = /^(?:DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT(?:_LOCALLY)?|CERT_[A-Z_]+|ERR_TLS_[A-Z_]+|HOSTNAME_MISMATCH)$/;
const certificateRequired = /CERTIFICATE_REQUIRED|BAD_CERTIFICATE|UNKNOWN_CA|HANDSHAKE_FAILURE/;

/** What a failed connection most likely is, and what to do about it. */
export function explain(url: string, error: unknown): ConnectError {
  const code = String((error as { readonly code?: unknown } | null)?.code ?? "");
  const text = error instanceof Error ? error.message : String(error);
  return new ConnectError(url, `cannot connect to ${url}: ${adviceFor(code, text, url)}`, error);
}

function adviceFor(code: string, text: string, url: string): string {
  if (code === "ConnectionRefused" || code === "ECONNREFUSED") return "nothing listens there. Is the server running (dittofs status), and is this its address and port (controlplane.host, controlplane.port)?";
  if (code === "ENOTFOUND" || code === "EAI_AGAIN" || code === "FailedToOpenSocket") return "the host was not found or can't be reached. Check the name and the network.";
  if (certificateCodes.test(code)) return `its certificate is not trusted (${code}). Give the authority that signed it with --cacert, or check that the name in the address is in the certificate.`;
  if (code === "EPROTO") return "the TLS handshake failed. Does the server speak plain HTTP there, or does it ask for a client certificate (--client-cert, --client-key)?";
  if (certificateRequired.test(code) || certificateRequired.test(text)) return "the server asks for a client certificate. Give one with --client-cert and --client-key.";
  if (code === "ECONNRESET" || code === "ConnectionClosed" || code === "UnexpectedRedirect" || code === "InvalidHTTPResponse") {
    return `the connection was closed without an answer. ${url.startsWith("https:") ? "Does the server speak plain HTTP there? It may also ask for a client certificate (--client-cert, --client-key)." : "Does the server speak TLS there? Then the address begins with https://."}`;
  }
  return `${text || code || "unknown failure"}. Check the address, the network and the server's log.`;
}
