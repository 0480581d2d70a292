import type { DirectReceive } from "#base/direct-receive.ts";
import { giveBack, lend } from "#base/lent-memory.ts";
import { headBytesMin, type RecordAssembler } from "./record-assembler.ts";

/** Messages from this size on are received directly: those whose payload is handed on as it lies, and given back. */
const largeBytesMin = 128 * 1024;
/** As little is received like any other bytes. */
const restBytesMin = 32 * 1024;
/** A smaller part of a piece is copied: a piece is nobody else's as long as any of it is kept. */
const pieceShareMin = 4;

/** Whether a large message has begun to arrive, so that its rest is worth being received directly. */
export function isLarge(assembler: RecordAssembler): boolean {
  return assembler.lacking >= restBytesMin && assembler.total + assembler.lacking >= largeBytesMin;
}

/** Where the beginning of a message is received, before it is known how long it is. */
const beginning = new Uint8Array(4 + headBytesMin);

/**
 * The next bytes of a connection, up to the end of the message that has begun, or the beginning of the next; null where there are none
 * now. Only what lies behind a message's head comes in lent memory.
 */
export function nextBytes(receiver: DirectReceive, fd: number, assembler: RecordAssembler): Uint8Array | null {
  const { lacking, total } = assembler;
  if (total >= headBytesMin && isLarge(assembler)) return nextPiece(receiver, fd, lacking);
  const wanted = lacking === 0 ? beginning.length : total < headBytesMin ? Math.min(lacking, headBytesMin - total) : Math.min(lacking, largeBytesMin);
  const into = wanted <= beginning.length ? beginning : new Uint8Array(wanted);
  const got = receiver.receive(fd, into, wanted);
  return got === 0 ? null : into === beginning ? beginning.slice(0, got) : into.subarray(0, got);
}

function nextPiece(receiver: DirectReceive, fd: number, lacking: number): Uint8Array | null {
  const piece = lend(lacking);
  const wanted = Math.min(lacking, piece.length);
  const got = receiver.receive(fd, piece, wanted);
  // What is kept of a message is counted by its bytes, not by the memory they lie in.
  if ((got === wanted || got * 2 >= piece.length) && got * pieceShareMin >= piece.length) return got === piece.length ? piece : piece.subarray(0, got);
  // A client that sends little by little is not lent a piece for each little, nor one that cuts its message into many fragments.
  const bytes = got === 0 ? null : piece.slice(0, got);
  giveBack([piece]);
  return bytes;
}
