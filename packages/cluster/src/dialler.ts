/**
 * Keeps one channel to a named peer: dials, dials again when it is lost (soon at first, then more
 * seldom), for as long as it is not stopped.
 *
 * `latencyMs` delays every frame in both directions, in order: a stand-in for the distance
 * between availability zones (`--az-latency-ms`).
 */
import { LIMITS } from "@sixfold/model";
import type { Clock, ConnectOptions, Link, Network, Timer } from "@sixfold/ports";
import { Channel, type ChannelEvents, type Identity } from "./channel.ts";
import type { Heartbeats } from "./heartbeats.ts";
import type { Journal } from "./journal.ts";

const FIRST_RETRY_MS = 50;
const LAST_RETRY_MS = 1000;
const CONNECT_TIMEOUT_MS = 2000;

export interface DiallerOptions {
  readonly clock: Clock;
  readonly network: Network;
  readonly identity: Identity;
  readonly url: string;
  /** Who is to be there; a process of another name at its address is not spoken to. */
  readonly expected?: string | undefined;
  readonly latencyMs: number;
  /** Where large frames go (`ConnectOptions.roomFor`). */
  readonly roomFor?: ConnectOptions["roomFor"];
  readonly journal: Journal;
  readonly heartbeats: Heartbeats;
  readonly events: ChannelEvents & {
    /** The link is lost, or could not be had: whoever wants to hear this may stop the dialling. */
    readonly ended?: (reason: string) => void;
  };
}

export class Dialler {
  private readonly options: DiallerOptions;
  private channel: Channel | undefined;
  /** It is who was expected. */
  private isUp = false;
  private retryMs = FIRST_RETRY_MS;
  private timer: Timer | undefined;
  private stopped = false;

  constructor(options: DiallerOptions) {
    this.options = options;
    this.dial();
  }

  /** The channel, if its handshake is done. */
  get up(): Channel | undefined {
    return this.isUp && this.channel?.isUp === true ? this.channel : undefined;
  }

  stop(): void {
    this.stopped = true;
    this.timer?.cancel();
    this.channel?.close("stopping", `${this.options.identity.name} is stopping`);
  }

  private dial(): void {
    const { clock, network, url, identity, events, journal, latencyMs, roomFor, heartbeats } = this.options;
    const later = latencyMs > 0 ? new DelayLine(clock, latencyMs) : undefined;
    const link = network.connect(
      url,
      { maxFrameBytes: LIMITS.frameBytes, trusted: true, timeoutMs: CONNECT_TIMEOUT_MS, roomFor },
      {
        open: () => {
          heartbeats.opened(channel);
          channel.greet();
        },
        frame: (_link, frame) =>
          later === undefined ? channel.received(frame) : later.run(() => channel.received(frame)),
        closed: (_link, reason) => {
          heartbeats.closed(channel);
          channel.closed(reason);
        },
      },
    );
    const channel = new Channel(
      later === undefined ? link : delayed(link, later),
      identity,
      this.eventsFor(events),
      journal,
    );
    this.channel = channel;
  }

  private eventsFor({ ended, ...events }: DiallerOptions["events"]): ChannelEvents {
    return {
      ...events,
      up: (channel) => {
        const { expected } = this.options;
        const who = channel.peer?.name;
        if (expected !== undefined && who !== expected)
          return channel.refuse("wrong-name", `${expected} was expected here, and ${who} answers`);
        this.retryMs = FIRST_RETRY_MS;
        this.isUp = true;
        events.up(channel);
      },
      message: (channel, message) => {
        if (this.isUp) events.message(channel, message);
      },
      down: (channel, reason, silentMs) => {
        this.channel = undefined;
        if (this.isUp) events.down(channel, reason, silentMs);
        this.isUp = false;
        ended?.(reason);
        if (this.stopped) return;
        this.timer = this.options.clock.after(this.retryMs, () => this.dial());
        this.retryMs = Math.min(this.retryMs * 2, LAST_RETRY_MS);
      },
    };
  }
}

/** Runs things a fixed time later, in order, with one timer under way. */
class DelayLine {
  private readonly clock: Clock;
  private readonly delayMs: number;
  private readonly queue: { readonly dueMs: number; readonly run: () => void }[] = [];

  constructor(clock: Clock, delayMs: number) {
    this.clock = clock;
    this.delayMs = delayMs;
  }

  run(run: () => void): void {
    this.queue.push({ dueMs: this.clock.nowMs() + this.delayMs, run });
    if (this.queue.length === 1) this.arm();
  }

  private arm(): void {
    this.clock.after(Math.max(0, this.queue[0]!.dueMs - this.clock.nowMs()), () => {
      const now = this.clock.nowMs();
      let due = 0;
      while (due < this.queue.length && this.queue[due]!.dueMs <= now + 0.5) due++;
      for (const { run } of this.queue.splice(0, due)) run();
      if (this.queue.length > 0) this.arm();
    });
  }
}

function delayed(link: Link, line: DelayLine): Link {
  return {
    remote: link.remote,
    get bufferedBytes() {
      return link.bufferedBytes;
    },
    send: (frame, sent) => line.run(() => link.send(frame, sent)),
    close: (reason) => link.close(reason),
  };
}
