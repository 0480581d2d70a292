/** A migration: Bun embeds its text. */
declare module "*.sql" {
  const text: string;
  export default text;
}
