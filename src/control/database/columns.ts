/** What a column holds. `json` is kept as text; `id` is a UUID as text; `time` is milliseconds since 1970. */
export type ColumnType = "id" | "text" | "integer" | "boolean" | "time" | "json";

/** One column, the same in every dialect. */
export interface Column<V> {
  readonly type: ColumnType;
  readonly nullable: boolean;
  readonly unique: boolean;
  /** Rows go when the row of that table they belong to goes. */
  readonly belongsTo: string | null;
  readonly index: boolean;
  /** Only for inference. */
  readonly value?: V;
}

/** A table, declared once; the tables of each dialect are made from it. */
export interface Table<C extends Columns = Columns> {
  readonly name: string;
  readonly columns: C;
  readonly key: readonly string[];
  /** The key is a rising number the database gives. */
  readonly numbered: boolean;
}

// biome-ignore lint: the value type of a column in a mixed record is only known through `Row`
export type Columns = { readonly [name: string]: Column<any> };

/** A row under the names the declaration has. */
export type Row<T extends Table> = { readonly [K in keyof T["columns"]]: T["columns"][K] extends Column<infer V> ? V : never };

function column<V>(type: ColumnType): Column<V> {
  return { type, nullable: false, unique: false, belongsTo: null, index: false };
}

export const id = (): Column<string> => column("id");
export const text = (): Column<string> => column("text");
export const integer = (): Column<number> => column("integer");
export const boolean = (): Column<boolean> => column("boolean");
export const time = (): Column<number> => column("time");
export const json = <V>(): Column<V> => column("json");

export const nullable = <V>(of: Column<V>): Column<V | null> => ({ ...of, nullable: true }) as Column<V | null>;
export const unique = <V>(of: Column<V>): Column<V> => ({ ...of, unique: true });
export const indexed = <V>(of: Column<V>): Column<V> => ({ ...of, index: true });
export const belongsTo = (table: string): Column<string> => ({ ...column<string>("id"), belongsTo: table, index: true });

export function table<C extends Columns>(name: string, columns: C, key: readonly (keyof C & string)[]): Table<C> {
  return { name, columns, key, numbered: false };
}

/** A table that only grows, its rows numbered by the database in a column `number`. */
export function numbered<C extends Columns>(name: string, columns: C): Table<C & { readonly number: Column<number> }> {
  return { name, columns: { number: integer(), ...columns }, key: ["number"], numbered: true };
}
