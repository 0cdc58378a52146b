/**
 * One link to each process of a list that changes while they run: who joins is dialled, who leaves or moves is let go.
 *
 * Whoever owns the links hears `down` of one that was up before it hears `up` of the next to the same name, and nothing of the
 * old one afterwards.
 */
import type { NodeName } from "@sixfold/model";
import type { Channel, ChannelEvents } from "./channel.ts";
import { Dialler, type DiallerOptions } from "./dialler.ts";

export interface Target {
  readonly name: NodeName;
  readonly az: string;
  readonly url: string;
}

interface Entry {
  readonly url: string;
  readonly dialler: Dialler;
  isKept: boolean;
}

export interface DiallersOptions extends Omit<DiallerOptions, "url" | "expected" | "latencyMs" | "events"> {
  /** One-way delay to a process, as its zone has it. */
  readonly latencyMsTo: (process: Target) => number;
  readonly eventsFor: (name: NodeName) => ChannelEvents;
}

export class Diallers {
  private readonly options: DiallersOptions;
  private readonly all = new Map<NodeName, Entry>();

  constructor(options: DiallersOptions) {
    this.options = options;
  }

  /** Links to these from now on, and to no others. */
  keep(targets: readonly Target[]): void {
    const wanted = new Map(targets.map((target) => [target.name, target]));
    for (const [name, entry] of this.all) if (wanted.get(name)?.url !== entry.url) this.drop(name, entry);
    for (const target of targets) if (!this.all.has(target.name)) this.add(target);
  }

  /** The channel to this process, if its handshake is done. */
  up(name: NodeName): Channel | undefined {
    return this.all.get(name)?.dialler.up;
  }

  get linked(): NodeName[] {
    return [...this.all.keys()].filter((name) => this.up(name) !== undefined);
  }

  stop(): void {
    for (const { dialler } of this.all.values()) dialler.stop();
  }

  private add({ name, az, url }: Target): void {
    const { latencyMsTo, eventsFor, ...options } = this.options;
    const events = eventsFor(name);
    const entry: Entry = {
      url,
      isKept: true,
      dialler: new Dialler({
        ...options,
        url,
        expected: name,
        latencyMs: latencyMsTo({ name, az, url }),
        events: {
          up: (channel) => {
            if (entry.isKept) events.up(channel);
          },
          message: (channel, message) => {
            if (entry.isKept) events.message(channel, message);
          },
          down: (channel, reason, silentMs) => {
            if (entry.isKept) events.down(channel, reason, silentMs);
          },
        },
      }),
    };
    this.all.set(name, entry);
  }

  private drop(name: NodeName, entry: Entry): void {
    const up = this.up(name);
    entry.isKept = false;
    this.all.delete(name);
    entry.dialler.stop();
    if (up !== undefined) this.options.eventsFor(name).down(up, "no longer one of the cluster", 0);
  }
}
