/** Who is told when a lease or an oplock has to be given up. */
export { noHolder } from "./holder.ts";
