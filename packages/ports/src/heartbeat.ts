/**
 * Heartbeat: notices peers that say nothing any more, for all links of a process at once.
 *
 * A link only ends by itself if the other end, or the system below it, says so. A process that hangs, a machine
 * that lost its power and a cut line say nothing: to the sender all of them look like a peer that thinks. So each side
 * speaks at least once a beat, and who was not heard for many beats is taken for dead.
 *
 *     every beat, for each link      nothing sent since the last one     -> ping
 *                                    nothing received for N beats        -> dead
 *
 * There is no timer here and no work per frame: links count their frames anyway, a beat compares the counts. Silence
 * is counted in beats and not in time, since a process that was stopped itself (a debugger, a moved virtual machine, a full disk
 * of swap) has heard nobody meanwhile, and must not blame its peers for it. After a long stop they get a whole period anew.
 */
import { assert } from "@sixfold/model";

export interface HeartbeatSettings {
  /** A side that sent nothing for so long says that it lives. Milliseconds. */
  readonly heartbeatMs: number;
  /**
   * A peer that was not heard for so long is taken for dead. Milliseconds; several beats, and longer than the largest frame
   * takes on the slowest line, for a frame counts when it is whole.
   */
  readonly deadAfterMs: number;
}

/** A link as its heartbeat sees it. */
export interface Beating {
  /** Frames of any kind so far; they may wrap around. */
  readonly framesReceived: number;
  readonly framesSent: number;
  /** Nothing was sent for a beat. */
  ping(): void;
  /** Nothing was received for `silentMs`. The heartbeat has let go of the link. */
  dead(silentMs: number): void;
}

interface Pulse {
  received: number;
  sent: number;
  silentBeats: number;
}

export class Heartbeat {
  readonly settings: HeartbeatSettings;
  private readonly silentBeatsMax: number;
  private readonly links = new Map<Beating, Pulse>();
  private dueMs = Number.NEGATIVE_INFINITY;

  constructor(settings: HeartbeatSettings) {
    const { heartbeatMs, deadAfterMs } = settings;
    assert(heartbeatMs > 0 && deadAfterMs >= 2 * heartbeatMs, "a peer has at least two beats to be heard");
    this.settings = settings;
    this.silentBeatsMax = Math.ceil(deadAfterMs / heartbeatMs);
  }

  get size(): number {
    return this.links.size;
  }

  /** Watches this link from now on. */
  add(link: Beating): void {
    this.links.set(link, { received: link.framesReceived, sent: link.framesSent, silentBeats: 0 });
  }

  remove(link: Beating): void {
    this.links.delete(link);
  }

  /** To be called a few times a beat, or at least once; more often costs a comparison. O(links) once a beat. */
  tick(now: number): void {
    if (now < this.dueMs) return;
    const { heartbeatMs, deadAfterMs } = this.settings;
    const stopped = now - this.dueMs > deadAfterMs / 2;
    this.dueMs = now + heartbeatMs;
    for (const [link, pulse] of this.links) this.beat(link, pulse, stopped);
  }

  /** `stopped`: this process itself was not running, or it is its first beat. */
  private beat(link: Beating, pulse: Pulse, stopped: boolean): void {
    const heard = link.framesReceived !== pulse.received;
    pulse.received = link.framesReceived;
    pulse.silentBeats = heard || stopped ? 0 : pulse.silentBeats + 1;
    if (pulse.silentBeats >= this.silentBeatsMax) {
      this.links.delete(link);
      link.dead(pulse.silentBeats * this.settings.heartbeatMs);
      return;
    }
    if (link.framesSent === pulse.sent) link.ping();
    pulse.sent = link.framesSent;
  }
}
