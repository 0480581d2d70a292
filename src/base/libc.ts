import { dlopen, type FFIFunction, type Library } from "bun:ffi";

/** Names the C library goes by. */
function namesOfLibc(): readonly string[] {
  if (process.platform === "darwin") return ["libSystem.B.dylib"];
  if (process.platform !== "linux") return [];
  const architecture = process.arch === "arm64" ? "aarch64" : "x86_64";
  return ["libc.so.6" /* glibc */, `/lib/ld-musl-${architecture}.so.1`, `libc.musl-${architecture}.so.1`];
}

/** These functions of the C library; null where it has one of them not, or is not to be found: then the caller has a portable way. */
export function functionsOfLibc<Functions extends Record<string, FFIFunction>>(functions: Functions): Library<Functions>["symbols"] | null {
  for (const name of namesOfLibc()) {
    try {
      return dlopen(name, functions).symbols;
    } catch {
      // Not by this name, or not with these functions.
    }
  }
  return null;
}

/** Whether structures of the kernel are laid out as 64-bit little-endian Linux has them, which whoever reads or writes them by FFI expects. */
export function hasLinuxLayouts(): boolean {
  return process.platform === "linux" && (process.arch === "x64" || process.arch === "arm64");
}
