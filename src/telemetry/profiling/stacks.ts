import type { Frame, SampledNode } from "./sampler.ts";

/** Past so many different stacks the rest is counted at the deepest place that is known: a profile has a bound, however long it is. */
const nodesMax = 50_000;

/** A place in the tree of stacks; `parent` is an index, -1 at the roots. */
export interface StackNode {
  readonly parent: number;
  /** Index of a frame. */
  readonly frame: number;
  samples: number;
}

/** Samples by stack, gathered from any number of recordings. */
export class Stacks {
  readonly frames: Frame[] = [];
  readonly nodes: StackNode[] = [];
  private readonly frameIndex = new Map<string, number>();
  private readonly nodeIndex = new Map<string, number>();
  private total = 0;

  get samples(): number {
    return this.total;
  }

  /** Adds what a recording saw, except its root. */
  add(sampled: readonly SampledNode[]): void {
    const byId = new Map(sampled.map((node) => [node.id, node]));
    const [root] = sampled;
    if (root === undefined) return;
    const waiting = root.children.map((id) => ({ id, parent: -1 }));
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const node = byId.get(next.id);
      if (node === undefined) continue;
      const at = this.place(next.parent, node.frame);
      this.count(at, node.samples);
      for (const id of node.children) waiting.push({ id, parent: at });
    }
  }

  /** Adds samples at a stack of one frame. */
  addAlone(frame: Frame, samples: number): void {
    if (samples > 0) this.count(this.place(-1, frame), samples);
  }

  private count(at: number, samples: number): void {
    const node = this.nodes[at];
    if (node === undefined) return;
    node.samples += samples;
    this.total += samples;
  }

  private place(parent: number, frame: Frame): number {
    const frameKey = `${frame.line}\n${frame.file}\n${frame.name}`;
    let index = this.frameIndex.get(frameKey);
    if (index === undefined) {
      if (this.nodes.length >= nodesMax) return parent;
      index = this.frames.push(frame) - 1;
      this.frameIndex.set(frameKey, index);
    }
    const nodeKey = `${parent} ${index}`;
    const known = this.nodeIndex.get(nodeKey);
    if (known !== undefined) return known;
    if (this.nodes.length >= nodesMax) return parent;
    const at = this.nodes.push({ parent, frame: index, samples: 0 }) - 1;
    this.nodeIndex.set(nodeKey, at);
    return at;
  }
}
