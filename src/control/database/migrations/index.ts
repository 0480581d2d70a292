// Written by scripts/migrations. What was released is never changed: a new migration is appended.
import postgres0001 from "./postgres/0001-initial.sql" with { type: "text" };
import postgres0002 from "./postgres/0002-share-identities.sql" with { type: "text" };
import postgres0003 from "./postgres/0003-scrub-rate.sql" with { type: "text" };
import postgres0004 from "./postgres/0004-smb.sql" with { type: "text" };
import sqlite0001 from "./sqlite/0001-initial.sql" with { type: "text" };
import sqlite0002 from "./sqlite/0002-share-identities.sql" with { type: "text" };
import sqlite0003 from "./sqlite/0003-scrub-rate.sql" with { type: "text" };
import sqlite0004 from "./sqlite/0004-smb.sql" with { type: "text" };

export interface Migration {
  readonly name: string;
  readonly sqlite: string;
  readonly postgres: string;
}

/** In order; the schema's version is their number. */
export const migrations: readonly Migration[] = [
  { name: "0001-initial", sqlite: sqlite0001, postgres: postgres0001 },
  { name: "0002-share-identities", sqlite: sqlite0002, postgres: postgres0002 },
  { name: "0003-scrub-rate", sqlite: sqlite0003, postgres: postgres0003 },
  { name: "0004-smb", sqlite: sqlite0004, postgres: postgres0004 },
];
