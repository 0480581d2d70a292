import { lookup } from "node:dns/promises";
import type { Resolve } from "./host-names.ts";

/** Asks as other programs of this machine do: its hosts file, then DNS. */
export const systemResolve: Resolve = async (hostName) => (await lookup(hostName, { all: true })).map(({ address }) => address);
