/**
 * The REST interface's server: handlers that translate between the contract's nouns and the control plane's, and one middleware that
 * enforces the contract for all of them. Every answer that is no success is a problem document; neither answers nor log lines hold
 * tokens, passwords or bodies. The listener serves it over HTTP or HTTPS.
 */
export * from "./api.ts";
export type * from "./exchange.ts";
export type * from "./handler.ts";
export * from "./listener.ts";
export { CertificateError, type TlsFiles } from "./certificate.ts";
