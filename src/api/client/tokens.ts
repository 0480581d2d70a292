import type { Tokens } from "#api/contract/schemas.ts";

export interface TokenPair {
  readonly accessToken: string;
  /** Null: the access token can't be renewed. */
  readonly refreshToken: string | null;
}

/** Where a client's tokens are kept. */
export interface TokenSource {
  /** Those to use now; read anew before each use, so that another process that renewed them is noticed. Null: not logged in. */
  read(): TokenPair | null | Promise<TokenPair | null>;
  /** Keeps a new pair. The old refresh token is no longer good: using it again would end the session. */
  save(tokens: Tokens): void | Promise<void>;
  /** Runs `work` while no other process renews the same tokens, where they are shared between processes. */
  exclusive?<T>(work: () => Promise<T>): Promise<T>;
}

/** Tokens kept in memory. */
export function memoryTokens(first: TokenPair | null): TokenSource {
  let pair = first;
  return {
    read: () => pair,
    save: (tokens) => {
      pair = { accessToken: tokens.access_token, refreshToken: tokens.refresh_token };
    },
  };
}
