/**
 * Oplocks and leases as SMB2 has them (MS-SMB2 2.2.13.2.8, 2.2.23, 3.3.4.6, 3.3.4.7): what a CREATE asks for, how clients are told of a
 * break, and their acknowledgements. What may be cached, and when it breaks, vfs decides.
 */
export { type Asked, askedFor, leaseKey } from "./asked.ts";
export { LeaseClients } from "./clients.ts";
export { LeaseClient } from "./lease-client.ts";
export { cachedBy, OplockClient, oplockOf } from "./oplock.ts";
