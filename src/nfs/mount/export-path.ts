import type { FileSystem, Shares } from "#vfs/file-system.ts";

/** The path a share is mounted by: its name, with a slash before it. */
export function exportPath(fs: FileSystem): string {
  return fs.name.startsWith("/") ? fs.name : `/${fs.name}`;
}

/** The share a mount path begins with, and the names below it; the longest share's name wins. Null: no share's. */
export function resolveExport(shares: Shares, path: string): { readonly fs: FileSystem; readonly below: readonly string[] } | null {
  const names = path.split("/").filter((name) => name !== "" && name !== ".");
  for (let length = names.length; length >= 0; length--) {
    const name = names.slice(0, length).join("/");
    const fs = shares.byName(`/${name}`) ?? (name === "" ? undefined : shares.byName(name));
    if (fs !== undefined) return { fs, below: names.slice(length) };
  }
  return null;
}
