import { decodeRpc, encodeBindAck, encodeFault, encodeResponse, fragmentBytes, fragmentBytesMax, NdrReader, RpcFault } from "#wire/dcerpc.ts";

/** What a call of an interface is answered with; null: the call's arguments are malformed. */
export type Operation = (args: NdrReader) => Uint8Array | null;

export interface RpcInterface {
  /** UUID, lower case. */
  readonly uuid: string;
  /** By operation number. */
  readonly operations: ReadonlyMap<number, Operation>;
}

/** A request of several fragments has at most so many bytes. */
const requestBytesMax = 64 * 1024;
/** Answers not read yet. */
const unreadMax = 64;

/** One open pipe: fragments written to it are answered by fragments to be read from it. */
export class Pipe {
  readonly name: string;
  private readonly served: RpcInterface;
  private readonly contexts = new Set<number>();
  private received: Uint8Array = new Uint8Array(0);
  private stub: Uint8Array = new Uint8Array(0);
  private unread: Uint8Array[] = [];

  constructor(name: string, served: RpcInterface) {
    this.name = name;
    this.served = served;
  }

  /** Takes bytes; false where they are no RPC, and the pipe is of no use any more. */
  write(bytes: Uint8Array): boolean {
    this.received = this.received.length === 0 ? new Uint8Array(bytes) : new Uint8Array(Buffer.concat([this.received, bytes]));
    for (;;) {
      const length = fragmentBytes(this.received);
      if (length === 0) return true;
      if (length > fragmentBytesMax || length < 16) return false;
      if (this.received.length < length) return this.received.length <= fragmentBytesMax;
      const fragment = this.received.subarray(0, length);
      this.received = this.received.subarray(length);
      if (this.unread.length >= unreadMax || !this.handle(fragment)) return false;
    }
  }

  /** At most `length` bytes of what is to be read; `more`: of the fragment they are from. Null: nothing is. */
  read(length: number): { readonly bytes: Uint8Array; readonly more: boolean } | null {
    const first = this.unread[0];
    if (first === undefined) return null;
    if (first.length <= length) {
      this.unread.shift();
      return { bytes: first, more: false };
    }
    this.unread[0] = first.subarray(length);
    return { bytes: first.subarray(0, length), more: true };
  }

  private handle(fragment: Uint8Array): boolean {
    const packet = decodeRpc(fragment);
    if (packet === null) return false;
    if (packet.is === "bind") {
      const accepted = packet.contexts.map((context) => context.ndr && context.interface === this.served.uuid);
      packet.contexts.forEach((context, i) => accepted[i] && this.contexts.add(context.id));
      this.unread.push(encodeBindAck(packet.type, packet.callId, this.name, accepted));
      return true;
    }
    if (this.stub.length + packet.stub.length > requestBytesMax) return false;
    this.stub = new Uint8Array(Buffer.concat([this.stub, packet.stub]));
    if (!packet.last) return true;
    const { stub } = this;
    this.stub = new Uint8Array(0);
    this.unread.push(...this.answer(packet.callId, packet.contextId, packet.operation, stub));
    return true;
  }

  private answer(callId: number, contextId: number, number: number, stub: Uint8Array): readonly Uint8Array[] {
    if (!this.contexts.has(contextId)) return [encodeFault(callId, contextId, RpcFault.unknownInterface)];
    const operation = this.served.operations.get(number);
    if (operation === undefined) return [encodeFault(callId, contextId, RpcFault.opRange)];
    const result = operation(new NdrReader(stub));
    return result === null ? [encodeFault(callId, contextId, RpcFault.badStub)] : encodeResponse(callId, contextId, result);
  }
}
