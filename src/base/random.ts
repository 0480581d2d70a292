import { randomBytes } from "node:crypto";

/** Where unpredictable bytes come from; a simulated server is handed a seeded one. */
export interface Random {
  bytes(length: number): Uint8Array;
}

/** The operating system's generator. */
export const systemRandom: Random = {
  bytes(length: number): Uint8Array {
    return new Uint8Array(randomBytes(length));
  },
};
