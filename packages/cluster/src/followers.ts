/**
 * The nodes that follow this one, and what waits for each of them here.
 *
 *     fed ──more than the bound waits──> behind ──(almost) all of it taken──> fed, from a start of its own
 *
 * The log is not kept for a follower: it is on six disks. One that takes its feed more slowly than it grows, be it stopped,
 * starved or far away, is fed no more beyond a bound, and when its link has drained its feed begins anew, at the durable point
 * of then: what lies between it finds in storage (database/foreign-streams.ts, "jump"). So a follower costs a writer no more than the
 * bound, however slow it is; and followers of one writer share the frames that wait.
 */
import type { NodeName } from "@sixfold/model";
import { highMarkBytes } from "@sixfold/ports";
import type { StorageMessage } from "@sixfold/wire";
import type { Journal } from "./journal.ts";

/** Some seconds of a busy writer's log: a follower that lags further is better off with storage. */
export const FEED_BUFFER_BYTES = 8 << 20;

/** Of a channel, what feeding needs. */
export interface FollowerChannel {
  readonly bufferedBytes: number;
  send(message: StorageMessage): void;
  sendFrame(frame: Uint8Array): void;
  close(code: string, reason: string): void;
}

export interface FollowersIo {
  readonly journal: Journal;
  /** The machine feeds it no more. */
  dropped(follower: NodeName): void;
  /** The machine's feed to it begins anew. */
  resumed(follower: NodeName): void;
}

interface Follower {
  readonly channel: FollowerChannel;
  isBehind: boolean;
  /** What may wait for it; unknown until its feed has begun, as that may bring much that is undecided yet. */
  boundBytes: number | undefined;
}

export class Followers {
  private readonly io: FollowersIo;
  private readonly bufferBytes: number;
  private readonly all = new Map<NodeName, Follower>();

  constructor(io: FollowersIo, bufferBytes = FEED_BUFFER_BYTES) {
    this.io = io;
    this.bufferBytes = bufferBytes;
  }

  /** A link that replaces an older one of the same node takes its place. */
  joined(name: NodeName, channel: FollowerChannel): void {
    this.all.set(name, { channel, isBehind: false, boundBytes: undefined });
  }

  /** False: it has another link by now. */
  left(name: NodeName, channel: FollowerChannel): boolean {
    return this.all.get(name)?.channel === channel && this.all.delete(name);
  }

  /** May this message of it be heard? One that is behind need not ask for its feed: it begins by itself. */
  hears(name: NodeName, message: StorageMessage): boolean {
    return message.type !== "follow" || this.all.get(name)?.isBehind !== true;
  }

  send(name: NodeName, message: StorageMessage): void {
    this.all.get(name)?.channel.send(message);
  }

  /** Part of its feed. False: not sent, since too much waits. */
  feed(name: NodeName, frame: Uint8Array): boolean {
    const follower = this.all.get(name);
    if (follower === undefined || follower.isBehind) return false;
    const { channel } = follower;
    follower.boundBytes ??= channel.bufferedBytes + this.bufferBytes;
    if (channel.bufferedBytes <= follower.boundBytes) {
      channel.sendFrame(frame);
      return true;
    }
    follower.isBehind = true;
    this.io.journal.count("slowFollowers");
    this.io.journal.say("warn", "follower-behind", { peer: name, bufferedBytes: channel.bufferedBytes });
    this.io.dropped(name);
    return false;
  }

  /** From time to time: who has taken what was waiting is fed again. */
  tick(): void {
    for (const [name, follower] of this.all) {
      if (!follower.isBehind || follower.channel.bufferedBytes > highMarkBytes) continue;
      follower.isBehind = false;
      follower.boundBytes = undefined;
      this.io.resumed(name);
    }
  }

  channels(): FollowerChannel[] {
    return [...this.all.values()].map(({ channel }) => channel);
  }
}
