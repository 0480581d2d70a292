import { type TLiteral, type TSchema, type TUnion, Type } from "@sinclair/typebox";

/** What the schemas of all nouns are made with. */

type Literals<T extends readonly string[]> = { -readonly [K in keyof T]: TLiteral<T[K]> };
/** One of these words. */
export function one<const T extends readonly string[]>(words: T, description?: string): TUnion<Literals<T>> {
  return Type.Union(
    words.map((word) => Type.Literal(word)),
    description === undefined ? {} : { description },
  ) as unknown as TUnion<Literals<T>>;
}
export const optional = Type.Optional;
export const orNull = <T extends TSchema>(of: T) => Type.Union([of, Type.Null()]);

export const ShareName = Type.String({ pattern: "^/[^\\u0000-\\u001f\\u007f]+$", maxLength: 255, description: "The path clients mount; it begins with a slash, as /export does." });
export const When = Type.String({ description: "ISO 8601, UTC." });

export const nameBytesMax = 64;
/** Names of users, groups, stores and netgroups. */
export const Name = Type.String({ pattern: "^[A-Za-z0-9_][A-Za-z0-9_.@-]{0,63}$", maxLength: nameBytesMax, description: "Letters, digits, _ . @ -, at most 64, not beginning with a dot or dash." });
