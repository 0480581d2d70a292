/** What whoever reads an error calls the settings of a connection. */
export interface Terms {
  readonly host: string;
  readonly port: string;
  readonly database: string;
  readonly user: string;
  /** Where the password comes from. */
  readonly password: string;
  readonly rootCert: string;
  /** The most connections this program opens. */
  readonly connections: string;
}

/** PostgreSQL can't be used as it is: what an operator has to put right. */
export class PostgresFailure extends Error {
  override readonly name: string = "PostgresFailure";
  /** The server is away or busy: the same may work in a moment, without anybody's doing. */
  readonly passing: boolean;

  constructor(message: string, passing = false) {
    super(message);
    this.passing = passing;
  }
}

/** The connection is gone: what was not committed did not happen. */
export class ConnectionLost extends Error {
  override readonly name = "ConnectionLost";
}
