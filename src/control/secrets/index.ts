/**
 * What is kept secret at rest. One random data key wraps the secrets in the database; it lies there itself, wrapped by a key that
 * follows from the control-plane secret, which is given in the environment or made once in the data directory. Whoever has the
 * database alone, or the secret alone, can read nothing. The key that signs tokens follows from the same secret by another way.
 */
export * from "./keyring.ts";
export * from "./secret.ts";
export * from "./secret-file.ts";
