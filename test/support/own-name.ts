import { readFileSync } from "node:fs";

/** The name the kernel has for the process of the tests: Bun's executable is called differently from one way of installing it to the next. */
export const ownName: string = readFileSync("/proc/self/comm", "utf8").trim();
