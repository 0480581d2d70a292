import { afterAll } from "bun:test";
import { removeTemporaries } from "./temporary.ts";

/** Loaded before all test files of a run (bunfig.toml): what is registered here runs when the last of them has ended. */
afterAll(() => removeTemporaries());
