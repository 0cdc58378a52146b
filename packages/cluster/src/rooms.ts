/**
 * Memory for cargos that is used again.
 *
 *     take ──> a cargo comes into it ──> its pages are stored ──> giveBack
 *      └─────────────── on a courier's thread, and on the machine's ──┘
 *
 * It is shared memory, of which no collector is told. Of other memory it is told on each thread that it comes to or leaves, and marks the whole
 * heap for some tens of MiB more than there were last: with memory that was used again, and changed hands between the two threads, a third of those
 * collections were left (14 of 47 for a gibibyte), and with this 2. So that one thread at a time looks at a room is kept by its owners: it changes hands
 * by messages only, and who gives one back has done with it.
 *
 * There are `ROOMS` at most. One that is not given back, for a link has ended in the middle of a cargo or nothing of an answer was stored, is
 * missed until all begin anew; what there is no room for is received into any memory.
 */

/** An answer with what may lie between its pages. */
export const ROOM_BYTES = 1280 << 10;
/** What is asked for and not stored (`copyAheadBytes`, 24 steps), and some more, for pages are stored without the zeros in them. */
const ROOMS = 32;

export class Rooms {
  private readonly free: SharedArrayBuffer[] = [];
  /** Taken and not given back. */
  private lent = 0;

  /** So much of a room; undefined if it is more, or all are taken. */
  take(bytes: number): Uint8Array | undefined {
    if (bytes > ROOM_BYTES) return undefined;
    if (this.free.length === 0 && this.lent >= ROOMS) return undefined;
    this.lent += 1;
    return new Uint8Array(this.free.pop() ?? new SharedArrayBuffer(ROOM_BYTES), 0, bytes);
  }

  /** One that was taken here, or of those before these. Nothing, if the memory is no room. */
  giveBack(memory: ArrayBufferLike): void {
    if (!(memory instanceof SharedArrayBuffer) || memory.byteLength !== ROOM_BYTES) return;
    this.lent = Math.max(0, this.lent - 1);
    if (this.free.length + this.lent < ROOMS) this.free.push(memory);
  }
}
