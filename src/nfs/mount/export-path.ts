import type { AbsentShare } from "#vfs/absent-shares.ts";
import type { FileSystem, Shares } from "#vfs/file-system.ts";

/** The path a share is mounted by: its name, with a slash before it. */
export function exportPath({ name }: { readonly name: string }): string {
  return name.startsWith("/") ? name : `/${name}`;
}

/** A share as it is served, or one that is not served just now. */
type Exported = { readonly fs: FileSystem; readonly absent: null } | { readonly fs: null; readonly absent: AbsentShare };

/** The share a mount path begins with, and the names below it; the longest share's name wins. Null: no share's. */
export function resolveExport(shares: Shares, path: string): (Exported & { readonly below: readonly string[] }) | null {
  const names = path.split("/").filter((name) => name !== "" && name !== ".");
  for (let length = names.length; length >= 0; length--) {
    const name = names.slice(0, length).join("/");
    const below = names.slice(length);
    for (const called of name === "" ? ["/"] : [`/${name}`, name]) {
      const fs = shares.byName(called);
      if (fs !== undefined) return { fs, absent: null, below };
      const absent = shares.absent.byName(called);
      if (absent !== undefined) return { fs: null, absent, below };
    }
  }
  return null;
}
