import { readFileSync } from "node:fs";
import { type Socket, connect as connectTcp, isIP } from "node:net";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import type { Clock } from "../clock.ts";
import { type Terms, PostgresFailure } from "./terms.ts";

/** As libpq's `sslmode` (PostgreSQL, "SSL Support"), without those that fall back to plain text unseen. */
export const sslModes = ["disable", "require", "verify-ca", "verify-full"] as const;
export type SslMode = (typeof sslModes)[number];

/** Trusts the authorities that come with this program; only with verify-full, since anybody can have a certificate from one of them. */
const systemRoots = "system";

export interface Endpoint {
  /** A name or address; a path: the directory of a Unix socket. */
  readonly host: string;
  readonly port: number;
  readonly sslmode: SslMode;
  /** File of the authorities' certificates, "system", or null. */
  readonly sslRootCert: string | null;
  readonly terms: Terms;
}

const connectMsMax = 10_000;
/** PostgreSQL, "Message Formats": SSLRequest. */
const sslRequest = new Uint8Array([0, 0, 0, 8, 4, 210, 22, 47]);
const byteS = 0x53;
const byteN = 0x4e;

export function nameOf(endpoint: Pick<Endpoint, "host" | "port">): string {
  const { host, port } = endpoint;
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** A connection to the server, encrypted and verified as `sslmode` says; throws a PostgresFailure that says what to do. */
export async function dial(endpoint: Endpoint, clock: Clock): Promise<Socket> {
  const local = endpoint.host.startsWith("/");
  const { terms } = endpoint;
  // Said before the host is: there may be a password in it.
  if (!local && endpoint.host.includes("@")) throw new PostgresFailure(`${terms.host} is a name, an address or the directory of a socket, and nothing more; user and password are given as ${terms.user} and ${terms.password}`);
  // libpq, too, has no TLS over a Unix socket, whatever the mode.
  const tls = local || endpoint.sslmode === "disable" ? null : trust(endpoint);
  const socket = local ? connectTcp({ path: `${endpoint.host}/.s.PGSQL.${endpoint.port}` }) : connectTcp({ host: endpoint.host, port: endpoint.port, noDelay: true });
  // Whoever listens next may stop before the socket does; an error that nobody hears would end the process.
  socket.on("error", () => {});
  let late = false;
  const timer = clock.after(connectMsMax, () => {
    late = true;
    socket.destroy();
  });
  try {
    await ready(socket, "connect");
    return tls === null ? socket : await secured(socket, endpoint, tls);
  } catch (error) {
    socket.destroy();
    if (error instanceof PostgresFailure) throw error;
    const message = late ? `${nameOf(endpoint)} did not answer within ${connectMsMax / 1000} s. Check ${endpoint.terms.host} and ${endpoint.terms.port}, and the firewalls between` : refused(endpoint, error);
    throw new PostgresFailure(message, true);
  } finally {
    timer.cancel();
  }
}

/** Resolves at `event`; rejects where the socket fails or closes before. */
function ready(socket: Socket, event: "connect" | "secureConnect"): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: Error): void => {
      socket.off(event, succeeded);
      socket.off("error", settle);
      socket.off("close", closed);
      if (error === undefined) resolve();
      else reject(error);
    };
    const succeeded = (): void => settle();
    const closed = (): void => settle(new Error("the server closed the connection"));
    socket.on(event, succeeded);
    socket.on("error", settle);
    socket.on("close", closed);
  });
}

function refused(endpoint: Endpoint, error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const at = `PostgreSQL at ${nameOf(endpoint)}`;
  const { terms } = endpoint;
  switch (code) {
    case "ECONNREFUSED":
      return `${at} refuses connections: nothing listens there. Is it running, does its listen_addresses include this address, are ${terms.host} and ${terms.port} right?`;
    case "ENOTFOUND":
    case "EAI_AGAIN":
    case "DNS_ENOTFOUND":
      return `the name ${endpoint.host} of the PostgreSQL server can't be resolved. Check ${terms.host} and this machine's DNS`;
    case "ENOENT":
      return `there is no socket of PostgreSQL for port ${endpoint.port} in ${endpoint.host}. Is it running, are ${terms.host} and ${terms.port} right?`;
    case "EACCES":
      return `this user may not connect to PostgreSQL's socket in ${endpoint.host}. Check the mode of the directory and of the socket`;
    case "ENETUNREACH":
    case "EHOSTUNREACH":
      return `${at} can't be reached from here (${code}). Check ${terms.host} and the network`;
    default:
      return `${at} can't be reached: ${message}`;
  }
}

/** What the server's certificate is checked against. */
function trust({ host, sslmode, sslRootCert, terms }: Endpoint): ConnectionOptions {
  const options: ConnectionOptions = { minVersion: "TLSv1.2", ...(isIP(host) === 0 ? { servername: host } : {}) };
  if (sslRootCert === null) {
    if (sslmode === "require") return { ...options, rejectUnauthorized: false };
    throw new PostgresFailure(`sslmode ${sslmode} has to know whom to trust: name the file of your authority's certificate as ${terms.rootCert}, or "${systemRoots}" with verify-full`);
  }
  if (sslRootCert === systemRoots) {
    if (sslmode === "verify-full") return { ...options, rejectUnauthorized: true };
    throw new PostgresFailure(`sslmode ${sslmode} is too weak for ${terms.rootCert} "${systemRoots}": anybody can have a certificate of a public authority. Set sslmode verify-full`);
  }
  // With a root certificate at hand, libpq's "require" is "verify-ca".
  const anyName = sslmode === "verify-full" ? {} : { checkServerIdentity: () => undefined };
  return { ...options, ca: rootCertificate(sslRootCert, terms), rejectUnauthorized: true, ...anyName };
}

function rootCertificate(path: string, terms: Terms): string {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new PostgresFailure(`the root certificate ${path} can't be read (${(error as NodeJS.ErrnoException).code}). Check ${terms.rootCert}`);
  }
  if (!text.includes("-----BEGIN CERTIFICATE-----")) throw new PostgresFailure(`${path} holds no certificate in PEM form. Check ${terms.rootCert}`);
  return text;
}

async function secured(socket: Socket, endpoint: Endpoint, tls: ConnectionOptions): Promise<Socket> {
  const answer = await firstBytes(socket, sslRequest);
  const at = `PostgreSQL at ${nameOf(endpoint)}`;
  if (answer[0] === byteN) throw new PostgresFailure(`${at} does not offer TLS, and sslmode ${endpoint.sslmode} asks for it. Turn ssl on there, or set sslmode disable where the network between is your own`);
  // More than the one byte would be plain text that somebody put in front of the encrypted stream (CVE-2021-23222).
  if (answer[0] !== byteS || answer.length !== 1) throw new PostgresFailure(`what answers at ${nameOf(endpoint)} does not speak PostgreSQL's protocol. Check ${endpoint.terms.host} and ${endpoint.terms.port}`);
  const encrypted = connectTls({ ...tls, socket });
  encrypted.on("error", () => {});
  try {
    await ready(encrypted, "secureConnect");
  } catch (error) {
    encrypted.destroy();
    throw new PostgresFailure(untrusted(endpoint, error));
  }
  return encrypted;
}

function firstBytes(socket: Socket, request: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const settle = (outcome: () => void): void => {
      socket.off("data", received);
      socket.off("error", failed);
      socket.off("close", closed);
      outcome();
    };
    const received = (bytes: Uint8Array): void => {
      socket.pause();
      settle(() => resolve(bytes));
    };
    const failed = (error: Error): void => settle(() => reject(error));
    const closed = (): void => settle(() => reject(new Error("the server closed the connection when asked for TLS")));
    socket.on("data", received);
    socket.on("error", failed);
    socket.on("close", closed);
    socket.write(request);
  });
}

function untrusted(endpoint: Endpoint, error: unknown): string {
  const { host, sslmode, sslRootCert, terms } = endpoint;
  const { code, message } = error as NodeJS.ErrnoException;
  const at = `the certificate of PostgreSQL at ${nameOf(endpoint)}`;
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") return `${at} is for another name than ${host} (${message}). Set ${terms.host} to a name in it, or sslmode verify-ca to accept any name of your authority`;
  if (code === "CERT_HAS_EXPIRED") return `${at} has expired. Renew it there`;
  return `${at} is not accepted with sslmode ${sslmode}: ${message}. Check that ${terms.rootCert} (${sslRootCert}) is the authority that signed it`;
}
