/** What an entry refers to, as far as RENAME minds. Whether a directory is empty the store alone can tell in time. */
export const Kind = { nothing: "nothing", file: "file", directory: "directory" } as const;
export type Kind = (typeof Kind)[keyof typeof Kind];

/** What RENAME does about the entry its new name had. */
export type Replacement = "nothing" | "unlinkFile" | "removeEmptyDirectory" | "isDirectory" | "notDirectory";

/** Source kind, then target kind (RFC 1813 §3.3.14, POSIX rename). */
export const renameTable: Readonly<Record<"file" | "directory", Readonly<Record<Kind, Replacement>>>> = {
  file: { nothing: "nothing", file: "unlinkFile", directory: "isDirectory" },
  directory: { nothing: "nothing", file: "notDirectory", directory: "removeEmptyDirectory" },
};

/** How the link counts of both parents change; where they are one, the sum counts. */
export function parentLinks(source: "file" | "directory", replacement: Replacement): { readonly from: number; readonly to: number } {
  const moved = source === "directory" ? 1 : 0;
  return { from: 0 - moved, to: moved - (replacement === "removeEmptyDirectory" ? 1 : 0) };
}
