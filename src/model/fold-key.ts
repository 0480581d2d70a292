import { fold } from "./fold.ts";

/**
 * By what the stores find a name whatever its case: its fold with ASCII letters small again. Two names have one key exactly where they
 * have one fold, as no fold has a small ASCII letter; and most names are their own key, so that nothing has to be stored for them.
 */
export function foldKey(name: string): string {
  let capital = false;
  for (let i = 0; i < name.length; i++) {
    const unit = name.charCodeAt(i);
    if (unit >= 0x80) return smallAscii(fold(name));
    if (unit >= 0x41 && unit <= 0x5a) capital = true;
  }
  return capital ? name.toLowerCase() : name;
}

function smallAscii(folded: string): string {
  return folded.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** What is stored beside a name so that it is found by its key; null: it is its key. */
export function foldColumn(name: string): string | null {
  const key = foldKey(name);
  return key === name ? null : key;
}
