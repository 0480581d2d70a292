/** Every refusal the control plane gives. The REST interface answers them under the same names. */
export type ControlErrorCode =
  | "already_exists"
  | "busy"
  | "changed_meanwhile"
  | "conflict"
  | "data_exists"
  | "forbidden"
  | "in_use"
  | "invalid_token"
  | "invalid_value"
  | "no_progress"
  | "not_found"
  | "password_change_required"
  | "store_unreachable"
  | "token_expired"
  | "too_many_attempts"
  | "unauthenticated"
  | "unavailable"
  | "wrong_credentials";

export interface FieldError {
  readonly field: string;
  readonly message: string;
}

/** A change or question that was refused: what was wrong, and what to do about it. Never holds a secret. */
export class ControlError extends Error {
  override readonly name = "ControlError";
  readonly code: ControlErrorCode;
  readonly hint: string | null;
  readonly fields: readonly FieldError[];
  /** Seconds to wait before trying again, where that is known. */
  readonly retryAfterSec: number | null;

  constructor(code: ControlErrorCode, message: string, more: { readonly hint?: string; readonly fields?: readonly FieldError[]; readonly retryAfterSec?: number } = {}) {
    super(message);
    this.code = code;
    this.hint = more.hint ?? null;
    this.fields = more.fields ?? [];
    this.retryAfterSec = more.retryAfterSec ?? null;
  }
}
