/**
 * The world's network: one FIFO for each direction between two processes, as a TCP connection gives it.
 *
 * What lies in a queue is a frame, or the news that the connection broke or came back, in their order: a receiver
 * hears of the break after everything that had reached it before. A held direction keeps what is sent into it
 * (silence); a cut one loses it, and both ends are told.
 */
export type Arrival =
  /** `channel`: between database nodes, "peer" goes from a follower to the node it follows, "feed" back; "storage" otherwise. */
  | { readonly kind: "frame"; readonly channel: Channel; readonly bytes: Uint8Array; readonly text: string }
  | { readonly kind: "up" }
  | { readonly kind: "down" };

export type Channel = "storage" | "peer" | "feed";

export class Direction {
  readonly from: string;
  readonly to: string;
  isHeld = false;
  readonly queue: Arrival[] = [];

  constructor(from: string, to: string) {
    this.from = from;
    this.to = to;
  }

  /** Everything under way; of a held direction only news that no frame stands in front of. */
  takeArrivals(): Arrival[] {
    const firstFrame = this.isHeld ? this.queue.findIndex((arrival) => arrival.kind === "frame") : -1;
    return this.queue.splice(0, firstFrame < 0 ? this.queue.length : firstFrame);
  }
}

export class Links {
  private readonly directions = new Map<string, Direction>();
  private readonly connected = new Set<string>();

  /** Creates both directions, not connected yet. Deliveries are made in the order of creation. */
  add(a: string, b: string): void {
    this.directions.set(key(a, b), new Direction(a, b));
    this.directions.set(key(b, a), new Direction(b, a));
  }

  direction(from: string, to: string): Direction | undefined {
    return this.directions.get(key(from, to));
  }

  all(): Iterable<Direction> {
    return this.directions.values();
  }

  isConnected(a: string, b: string): boolean {
    return this.connected.has(pair(a, b));
  }

  connect(a: string, b: string): void {
    if (!this.directions.has(key(a, b)) || this.isConnected(a, b)) return;
    this.connected.add(pair(a, b));
    for (const direction of this.both(a, b)) direction.queue.push({ kind: "up" });
  }

  /** Breaks the connection. `losing`: whose sent frames, still under way, are lost; both ends' otherwise. */
  disconnect(a: string, b: string, losing: readonly string[] = [a, b]): void {
    if (!this.isConnected(a, b)) return;
    this.connected.delete(pair(a, b));
    for (const direction of this.both(a, b)) {
      if (losing.includes(direction.from)) keepNews(direction.queue);
      direction.queue.push({ kind: "down" });
    }
  }

  private both(a: string, b: string): Direction[] {
    return [this.directions.get(key(a, b))!, this.directions.get(key(b, a))!];
  }
}

/** Frames are lost with their connection; that it was up, and is down, is not. */
function keepNews(queue: Arrival[]): void {
  const news = queue.filter((arrival) => arrival.kind !== "frame");
  queue.splice(0, queue.length, ...news);
}

const key = (from: string, to: string): string => `${from} ${to}`;
const pair = (a: string, b: string): string => (a < b ? key(a, b) : key(b, a));
