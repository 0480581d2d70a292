import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile, stat } from "node:fs/promises";

/** Paths of PEM files. */
export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
  /** Authorities one of which must have signed a client's certificate; null: clients need none. */
  readonly clientCa: string | null;
}

/** What is served: contents that were checked to go together. */
export interface TlsMaterial {
  readonly cert: string;
  readonly key: string;
  readonly clientCa: string | null;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/** The files can't be served as they are; the message names the file and what to do. */
export class CertificateError extends Error {
  override readonly name = "CertificateError";
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function textOf(path: string, what: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new CertificateError(`cannot read the ${what} ${path}: ${reason(error)}`);
  }
}

function parsed(pem: string, path: string, what: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw new CertificateError(`the ${what} ${path} holds no certificate in PEM form`);
  }
}

function checkKey(certificate: X509Certificate, key: string, files: TlsFiles): void {
  let matches: boolean;
  try {
    matches = certificate.checkPrivateKey(createPrivateKey(key));
  } catch {
    // The library's own text is left out: it may hold parts of the key.
    throw new CertificateError(`the key file ${files.keyFile} holds no private key in PEM form without a passphrase`);
  }
  if (!matches) throw new CertificateError(`the key in ${files.keyFile} is not the one of the certificate in ${files.certFile}; if they are being replaced, both have to be in place`);
}

/** Reads the files and checks that they go together. Throws CertificateError. */
export async function readTls(files: TlsFiles): Promise<TlsMaterial> {
  const cert = await textOf(files.certFile, "certificate file");
  const key = await textOf(files.keyFile, "key file");
  const clientCa = files.clientCa === null ? null : await textOf(files.clientCa, "client authorities file");
  const certificate = parsed(cert, files.certFile, "certificate file");
  checkKey(certificate, key, files);
  if (clientCa !== null) parsed(clientCa, files.clientCa as string, "client authorities file");
  return { cert, key, clientCa, expiresAt: Date.parse(certificate.validTo) };
}

export function sameTls(a: TlsMaterial, b: TlsMaterial): boolean {
  return a.cert === b.cert && a.key === b.key && a.clientCa === b.clientCa;
}

/** Changes when one of the files is written, replaced, removed or comes back. */
export async function fingerprint(files: TlsFiles): Promise<string> {
  const paths = [files.certFile, files.keyFile, ...(files.clientCa === null ? [] : [files.clientCa])];
  const states = await Promise.all(paths.map((path) => stat(path).then((at) => `${at.ino}:${at.size}:${at.mtimeMs}`, () => "absent")));
  return states.join(" ");
}
