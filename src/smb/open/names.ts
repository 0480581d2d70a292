/*
 * Names as SMB clients see them. What a share may hold and NTFS forbids is shown by characters of the private use area, as
 * Services for Macintosh began it and macOS, Samba and the Linux client go on: U+F001..F01F for control characters, U+F020..F027
 * for " * : < > ? \ |, U+F028 and U+F029 for a space or a dot at the end. A surrogate without its other half, which no UTF-8 can
 * hold and NTFS can, is stored as the character as far into U+10F800..10FFFF.
 */
const controlsAt = 0xf000;
const firstMapped = 0xf001;
const lastMapped = 0xf029;
const spaceAtEnd = 0xf028;
const dotAtEnd = 0xf029;
const specials = '"*:<>?\\|';
const firstSpecial = 0xf020;
const loneAt = 0x10f800;
/** The first of the two high halves of those. */
const loneHigh = 0xdbfe;

const isForbidden = makeForbidden(specials).fill(1, 0, 0x20);
const separators = makeForbidden(":\\");

function makeForbidden(characters: string): Uint8Array {
  const table = new Uint8Array(128);
  for (const character of characters) table[character.charCodeAt(0)] = 1;
  return table;
}

/** Whether a part of a client's path, or an entry's name, may hold this unit. */
export function allowedUnit(unit: number): boolean {
  return unit >= 128 || (isForbidden[unit] === 0 && unit !== 0x2f);
}

/** A stored name as it is shown to SMB clients. */
export function shownName(stored: string): string {
  const last = stored.length - 1;
  for (let i = 0; i <= last; i++) {
    const unit = stored.charCodeAt(i);
    if (unit < 128 ? isForbidden[unit] !== 0 : unit >= loneHigh && unit <= loneHigh + 1) return showAll(stored);
  }
  const end = stored.charCodeAt(last);
  if (end !== 0x20 && end !== 0x2e) return stored;
  return stored === "." || stored === ".." ? stored : showAll(stored);
}

/** A stream's stored name as it is shown: it may hold all that a file's may not, but what parts names. */
export function shownStream(stored: string): string {
  return /[:\\\u{10f800}-\u{10ffff}]/u.test(stored) ? showAll(stored, separators) : stored;
}

/** The path of stored names, as it is shown. */
export function shownPath(parts: readonly string[]): string {
  return parts.map(shownName).join("\\");
}

function showAll(stored: string, forbidden: Uint8Array = isForbidden): string {
  let shown = "";
  for (let i = 0; i < stored.length; i++) {
    const unit = stored.charCodeAt(i);
    if (unit >= loneHigh && unit <= loneHigh + 1) shown += String.fromCharCode(0xd800 | ((unit - loneHigh) << 10) | (stored.charCodeAt(++i) - 0xdc00));
    else if (unit < 128 && forbidden[unit] !== 0) shown += String.fromCharCode(unit < 0x20 ? controlsAt + unit : firstSpecial + specials.indexOf(stored[i]!));
    else if (i === stored.length - 1 && unit === 0x20 && forbidden === isForbidden) shown += String.fromCharCode(spaceAtEnd);
    else if (i === stored.length - 1 && unit === 0x2e && forbidden === isForbidden) shown += String.fromCharCode(dotAtEnd);
    else shown += stored[i];
  }
  return shown;
}

/** The name that is stored for one a client gives. */
export function storedName(shown: string): string {
  for (let i = 0; i < shown.length; i++) {
    if (shown.charCodeAt(i) >= 0xd800) return storeAll(shown);
  }
  return shown;
}

function storeAll(shown: string): string {
  let stored = "";
  for (let i = 0; i < shown.length; i++) {
    const unit = shown.charCodeAt(i);
    if (unit >= 0xd800 && unit <= 0xdfff) {
      const next = shown.charCodeAt(i + 1);
      if (unit < 0xdc00 && next >= 0xdc00 && next <= 0xdfff) stored += shown[i]! + shown[++i]!;
      else stored += String.fromCodePoint(loneAt + unit - 0xd800);
    } else if (unit >= firstMapped && unit < firstSpecial) stored += String.fromCharCode(unit - controlsAt);
    else if (unit >= firstSpecial && unit < spaceAtEnd) stored += specials[unit - firstSpecial];
    else if (i === shown.length - 1 && unit >= spaceAtEnd && unit <= lastMapped) stored += unit === spaceAtEnd ? " " : ".";
    else stored += shown[i];
  }
  // What would become a name that has a meaning of its own stays what it is.
  return stored === "." || stored === ".." ? shown : stored;
}
