/**
 * How somebody proves who he is: NTLM here, each other mechanism of SPNEGO a file beside it. Bytes of tokens are read in `wire/`; who
 * exists is asked of whoever calls. Knows no protocol that carries the tokens.
 */
export * from "./ntlm.ts";
