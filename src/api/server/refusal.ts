import type { ErrorCode } from "#api/contract/problem.ts";
import type { FieldError } from "#control/errors.ts";

interface More {
  readonly hint?: string;
  readonly fields?: readonly FieldError[];
  readonly retryAfterSec?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly health?: unknown;
}

/** A request the interface itself refuses, before or instead of the control plane. Its texts go to the caller: no secrets. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly code: ErrorCode;
  readonly more: More;

  constructor(code: ErrorCode, detail: string, more: More = {}) {
    super(detail);
    this.code = code;
    this.more = more;
  }
}
