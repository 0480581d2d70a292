/** The polynomial of CRC-32, lowest power in the highest bit. */
const polynomial = 0xedb88320 | 0;

/** The product of two polynomials modulo that one; both as CRCs are: the power 0 in the highest bit. */
function product(a: number, b: number): number {
  let sum = 0;
  for (let bit = 31; bit >= 0; bit--) {
    sum ^= b & -((a >>> bit) & 1);
    b = (b >>> 1) ^ (polynomial & -(b & 1));
  }
  return sum;
}

/** x to the powers 8, 16, 32, ...: what one byte, two, four and so on shift a CRC by. */
const shifts = new Int32Array(32);
shifts[0] = 1 << 23;
for (let i = 1; i < shifts.length; i++) shifts[i] = product(shifts[i - 1] as number, shifts[i - 1] as number);

/** The CRC-32 of some bytes and `length` more, from the CRC-32 of both. */
export function joinCrc(first: number, second: number, length: number): number {
  if (first === 0) return second;
  let shifted = first;
  for (let i = 0, left = length; left > 0; i++, left >>>= 1) if ((left & 1) === 1) shifted = product(shifts[i] as number, shifted);
  return (shifted ^ second) >>> 0;
}
