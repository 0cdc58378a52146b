/**
 * The PageStore port in a simulated world: `PageStoreImage` is the medium, `SimPageStore` the port of one incarnation.
 *
 * Batches commit one after the other. A crash commits some of those under way, a prefix of them drawn from the seed,
 * each whole: that is what a copy-on-write store leaves, and all that the port promises. A batch that is misdirected or
 * spoiled (`Device`) is so in one of its pages.
 */
import type { Done, PagePut, PagesRead, PageStore } from "@sixfold/ports";
import { checkPut, DiskFullError } from "@sixfold/ports";
import { Device } from "./device.ts";
import type { Incarnation, Timeline } from "./timeline.ts";

interface Batch {
  readonly put: readonly PagePut[];
  readonly remove: readonly number[];
}

export class PageStoreImage extends Device {
  readonly pages = new Map<number, Uint8Array>();
  readonly underWay: Batch[] = [];
  #usedBytes = 0;
  /** Page ids ascending; `undefined` when it has to be made anew. */
  #ids: number[] | undefined;

  get usedBytes(): number {
    return this.#usedBytes;
  }

  ids(): readonly number[] {
    this.#ids ??= [...this.pages.keys()].sort((a, b) => a - b);
    return this.#ids;
  }

  /** All of it, or nothing and the reason. */
  commit(batch: Batch): Error | undefined {
    let grows = 0;
    for (const [page, bytes, how] of batch.put)
      grows += bytes.byteLength - (how === "add" ? 0 : (this.pages.get(page)?.byteLength ?? 0));
    if (grows > 0 && this.#usedBytes + grows > this.capacity)
      return new DiskFullError(`no room for ${grows} bytes of pages`);
    const lie = batch.put.length === 0 ? undefined : this.takeLie();
    const victim = lie === undefined ? -1 : this.random.int(batch.put.length);
    for (let i = 0; i < batch.put.length; i++) {
      const [page, bytes, how] = batch.put[i]!;
      const before = how === "add" ? this.pages.get(page) : NOTHING;
      if (before === undefined) continue;
      if (i !== victim) this.#store(page, joined(before, bytes));
      else if (lie === "corrupt") this.#storeSpoiled(page, before, bytes);
      else this.#misdirect(page, bytes, how);
    }
    for (const page of batch.remove) {
      const old = this.pages.get(page);
      if (old === undefined) continue;
      this.#ids = undefined;
      this.#usedBytes -= old.byteLength;
      this.pages.delete(page);
    }
    return undefined;
  }

  /** Damages a stored page: one byte of it is changed. */
  corrupt(page: number): void {
    const bytes = this.pages.get(page);
    if (bytes === undefined || bytes.byteLength === 0) throw new Error(`no bytes are stored of page ${page}`);
    bytes[this.random.int(bytes.byteLength)]! ^= 1 + this.random.int(255);
  }

  /** A stored page is found under the id of another too: what stood there is gone. */
  cross(page: number, other: number): void {
    const bytes = this.pages.get(page);
    if (bytes === undefined) throw new Error(`no bytes are stored of page ${page}`);
    this.#store(other, bytes.slice());
  }

  #store(page: number, bytes: Uint8Array): void {
    const old = this.pages.get(page);
    if (old === undefined) this.#ids = undefined;
    this.#usedBytes += bytes.byteLength - (old?.byteLength ?? 0);
    this.pages.set(page, bytes);
  }

  #storeSpoiled(page: number, before: Uint8Array, bytes: Uint8Array): void {
    const all = joined(before, bytes);
    this.spoil(all, before.byteLength, all.byteLength);
    this.#store(page, all);
  }

  /** What was for `page` is found under another; if there is no other, nowhere. */
  #misdirect(page: number, bytes: Uint8Array, how: PagePut[2]): void {
    const others = this.ids().filter((other) => other !== page);
    if (others.length === 0) return;
    const other = this.random.pick(others);
    this.#store(other, joined(how === "add" ? this.pages.get(other)! : NOTHING, bytes));
  }

  /** Kill or power loss. */
  processEnd(): void {
    this.forget();
    const committed = this.random.int(this.underWay.length + 1);
    for (const batch of this.underWay.slice(0, committed)) this.commit(batch);
    this.underWay.length = 0;
  }
}

const NOTHING = new Uint8Array(0);

function joined(before: Uint8Array, bytes: Uint8Array): Uint8Array {
  const all = new Uint8Array(before.byteLength + bytes.byteLength);
  all.set(before);
  all.set(bytes, before.byteLength);
  return all;
}

export class SimPageStore implements PageStore {
  readonly #world: Timeline;
  readonly #owner: Incarnation;
  readonly #image: PageStoreImage;
  #idle: (() => void) | undefined;

  constructor(world: Timeline, owner: Incarnation, image: PageStoreImage) {
    this.#world = world;
    this.#owner = owner;
    this.#image = image;
  }

  get(page: number): Uint8Array | undefined {
    return this.#image.pages.get(page)?.slice();
  }

  tail(page: number, bytesMax: number): Uint8Array | undefined {
    return this.#image.pages.get(page)?.slice(-bytesMax);
  }

  read(from: number, limit: number, done: PagesRead): void {
    const owner = this.#owner;
    if (!owner.alive) {
      this.#world.unwind(owner);
      return;
    }
    const pages = this.pages(from, limit).map((page) => [page, this.get(page)!] as const);
    const run = (): void => done(pages);
    this.#image.serve({ owner, kind: "pages", detail: 0, run }, 0);
  }

  put(pages: readonly PagePut[], done: Done): void {
    checkPut(pages);
    this.#batch({ put: pages, remove: [] }, done);
  }

  remove(pages: readonly number[], done: Done): void {
    this.#batch({ put: [], remove: pages }, done);
  }

  pages(from: number, limit: number): number[] {
    const ids = this.#image.ids();
    let low = 0;
    for (let high = ids.length; low < high;) {
      const middle = (low + high) >> 1;
      if (ids[middle]! < from) low = middle + 1;
      else high = middle;
    }
    return ids.slice(low, low + Math.max(0, limit));
  }

  count(): number {
    return this.#image.pages.size;
  }

  diskBytes(): number {
    return this.#image.usedBytes;
  }

  async close(): Promise<void> {
    if (this.#image.underWay.length > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
  }

  #batch(batch: Batch, done: Done): void {
    const image = this.#image;
    const owner = this.#owner;
    if (!owner.alive || owner.node.endsAt("before-persist")) {
      this.#world.unwind(owner);
      return;
    }
    image.underWay.push(batch);
    let bytes = 0;
    for (const [, page] of batch.put) bytes += page.byteLength;
    const run = (): void => {
      // The device serves in order, so this is the first one under way.
      image.underWay.shift();
      const failure = image.takeFailure() ?? image.commit(batch);
      if (image.underWay.length === 0) this.#idle?.();
      if (failure === undefined && owner.node.endsAt("after-persist")) return;
      done(failure);
    };
    image.serve({ owner, kind: "pages", detail: bytes, run }, bytes);
  }
}
