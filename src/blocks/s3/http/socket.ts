/** What is used of Bun's sockets, with and without TLS. */
export interface Socket {
  write(bytes: Uint8Array, offset: number, length: number): number;
  /** Closes at once, without sending what is left. */
  terminate(): void;
  readonly authorized: boolean;
  /** Below zero once it is closed. */
  readonly fd: number;
}

export interface TLSSocketOptions {
  readonly rejectUnauthorized: boolean;
  readonly serverName: string;
  readonly ca?: string;
}
