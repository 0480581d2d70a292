import { contract } from "#api/contract/index.ts";
import { shows } from "../../remote/index.ts";
import { shareArgument } from "./fields.ts";

export const status = shows({ name: "status", route: contract.shares.status, summary: "Say how a share is doing: who uses it, how much it holds, what is not stored yet, how its cache on disk does.", examples: ["dittofs share status /export"], args: [shareArgument] });
