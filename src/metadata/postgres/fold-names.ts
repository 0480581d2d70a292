import type { PostgresSession } from "#base/postgres/session.ts";
import { foldColumn } from "#model/fold-key.ts";
import { nameOfBytes } from "./decode.ts";
import { names as nameArray } from "./encode.ts";
import { run } from "./sessions.ts";

/** Names of one transaction. */
const stepNames = 5_000;
/** How long a step may take. */
const stepMsMax = 600_000;

const statements = {
  place: "SELECT folding_parent, folding_name FROM dittofs_share WHERE share = $1 AND folding_parent IS NOT NULL",
  page: "SELECT parent, name FROM dittofs_dirent WHERE share = $1 AND (parent, name) > ($2, $3) ORDER BY parent, name LIMIT $4",
  fold: "UPDATE dittofs_dirent d SET folded = f.folded FROM unnest($2::bigint[], $3::bytea[], $4::bytea[]) AS f(parent, name, folded) WHERE d.share = $1 AND d.parent = f.parent AND d.name = f.name",
  went: "UPDATE dittofs_share SET folding_parent = $2, folding_name = $3 WHERE share = $1",
  done: "UPDATE dittofs_share SET folding_parent = NULL, folding_name = NULL WHERE share = $1",
} as const;

/**
 * Gives the names of a share that were stored before there was `folded` theirs, by the server that took it, before it serves it. Each step is
 * a transaction with the place it got to: cut off anywhere, whoever takes the share next goes on. What two do at a time is the same.
 * `begun`: there is something to do.
 */
export async function foldNames(session: PostgresSession, share: number, begun: () => void): Promise<void> {
  const [place] = await run(session, statements.place, [share]);
  if (place === undefined) return;
  begun();
  let [parent, name] = place as [number, Uint8Array];
  // Without it the server may look through all of a directory for each name.
  await session.execute("analyze dittofs_dirent", stepMsMax);
  for (;;) {
    const rows = (await run(session, statements.page, [share, parent, name, stepNames], stepMsMax)) as readonly (readonly [number, Uint8Array])[];
    const folded = rows.flatMap(([under, bytes]) => {
      const text = nameOfBytes(bytes);
      const key = foldColumn(text);
      return key === null ? [] : [{ under, text, key }];
    });
    await session.execute("begin");
    if (folded.length > 0) {
      await run(session, statements.fold, [share, `{${folded.map((f) => f.under).join(",")}}`, nameArray(folded.map((f) => f.text)), nameArray(folded.map((f) => f.key))], stepMsMax);
    }
    const last = rows.at(-1);
    if (rows.length < stepNames || last === undefined) await run(session, statements.done, [share]);
    else await run(session, statements.went, [share, ...last]);
    await session.execute("commit");
    if (rows.length < stepNames || last === undefined) return;
    [parent, name] = last;
  }
}
