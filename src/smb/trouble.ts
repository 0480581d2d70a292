import type { Maybe } from "#base/brand.ts";
import { StoreFailedError, StoreUnavailableError } from "#model/block-store.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { Command } from "#wire/smb2/header.ts";
import type { Call } from "./call.ts";
import type { Handler } from "./commands/index.ts";

/** Whether a store threw it that is away or refuses. */
export function isOfStore(error: unknown): error is StoreFailedError | StoreUnavailableError {
  return error instanceof StoreFailedError || error instanceof StoreUnavailableError;
}

/**
 * The status of a request that met a store which is away, or refuses for good; any other error is thrown on, and costs its connection. Nothing
 * of what was asked for has happened, and whoever took something for it has given that back.
 */
export function troubled(call: Call, error: unknown): NtStatus {
  if (!isOfStore(error)) throw error;
  const refused = error instanceof StoreFailedError;
  if (refused) call.refusal = error;
  const status = refused ? NtStatus.UNEXPECTED_IO_ERROR : NtStatus.INSUFFICIENT_SERVER_RESOURCES;
  if (call.header.command !== Command.CREATE) return status;
  // What is related to it has its status.
  call.relatedStatus = status;
  return status;
}

/** Has a handler do what it does. */
export function ran(call: Call, handler: Handler): Maybe<number> {
  try {
    return handler.run(call);
  } catch (error) {
    return troubled(call, error);
  }
}

/** Says why a request is answered by an I/O error. */
export function sayWhy(call: Call): void {
  const { connection, refusal: error } = call;
  const { logger } = connection.server;
  call.refusal = null;
  if (error === null) logger.warn(call.logFields, "a request was answered by an I/O error: other lines about its share say why");
  else logger.error({ ...call.logFields, error }, "a request was answered by an I/O error: the share's store refuses what it needs");
}
