import type { Open } from "./open.ts";

/** For a line of the log about an open file: whose it is. No request is named, for it outlives the one that opened it. */
export function openFields({ tree, path }: Open): { readonly client: string; readonly user?: string; readonly share?: string; readonly path: string } {
  return {
    client: tree.address,
    ...(tree.session.user === null ? {} : { user: tree.session.user.name }),
    ...(tree.fs === null ? {} : { share: tree.fs.name }),
    path,
  };
}
