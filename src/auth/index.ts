/** Who somebody is: NTLM's challenge and proof. Kerberos will stand beside it. Sits between wire's tokens and the protocols that carry them. */
export * from "./ntlm.ts";
