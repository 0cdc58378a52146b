/**
 * Rounds of the manifest register by script: each proposer reaches the servers that the script says, and the others never hear it.
 *
 *     C = a1 a2 b1 b2 c1 c2      D = a3 a4 b3 b4 c3 c4
 */
import {
  assert,
  nodeName,
  Random,
  type Manifest,
  type NodeName,
  type PlantedBug,
  type SegmentServerInfo,
} from "@sixfold/model";
import type { StorageMessage } from "@sixfold/wire";
import { ManifestRegister, type Change, type RegisterResult } from "../manifest-register.ts";
import { Outbox } from "../outbox.ts";
import { DEFAULT_VOLUME_SETTINGS } from "../settings.ts";
import { FakeSeat } from "./fake-seat.ts";
import { firstManifest, MANY_SERVERS } from "./register-life.ts";

const names = (text: string): readonly NodeName[] => text.split(" ").map((name) => nodeName(name));
export const C = names("a1 a2 b1 b2 c1 c2");
export const D = names("a3 a4 b3 b4 c3 c4");
export const EVERYBODY = MANY_SERVERS.map((s) => s.name);

/** Longer than any pause after a defeat, shorter than a round's patience. */
const PAUSE_MS = 250;

/** Who hears each phase of a proposer's rounds. Whoever is not named in either is out of reach. */
export interface Reach {
  readonly prepare: readonly NodeName[];
  readonly accept: readonly NodeName[];
}

export const reaching = (...servers: readonly NodeName[]): Reach => ({ prepare: servers, accept: servers });

export class SeatScript {
  readonly seats = new Map<NodeName, FakeSeat>(EVERYBODY.map((name) => [name, new FakeSeat()]));
  private readonly planted: ReadonlySet<PlantedBug>;
  private names = 0;

  constructor(planted: readonly PlantedBug[] = []) {
    this.planted = new Set(planted);
  }

  proposer(bootstrap: readonly SegmentServerInfo[] = MANY_SERVERS): ScriptedProposer {
    return new ScriptedProposer(this.seats, `p${++this.names}`, bootstrap, this.planted);
  }

  /** The first value, at all of C. */
  created(): this {
    const { result } = this.proposer().change(() => firstManifest(MANY_SERVERS, C), reaching(...EVERYBODY));
    assert(result?.manifest?.revision === 1, "the manifest is created");
    return this;
  }
}

export class ScriptedProposer {
  result: RegisterResult | undefined;
  /** Messages that the last rounds sent, by type and addressee, in order. */
  readonly sent: string[] = [];
  private readonly seats: ReadonlyMap<NodeName, FakeSeat>;
  private readonly out = new Outbox();
  private readonly register: ManifestRegister;
  private readonly late: { readonly to: NodeName; readonly message: StorageMessage }[] = [];
  private now = 0;
  private refused = false;

  constructor(
    seats: ReadonlyMap<NodeName, FakeSeat>,
    name: string,
    bootstrap: readonly SegmentServerInfo[],
    planted: ReadonlySet<PlantedBug>,
  ) {
    this.seats = seats;
    for (const server of EVERYBODY) this.out.linkUp(server);
    this.register = new ManifestRegister({
      out: this.out,
      bootstrap,
      proposer: name,
      settings: DEFAULT_VOLUME_SETTINGS,
      random: new Random(1),
      planted,
      learn: () => {},
    });
  }

  change(change: Change, reach: Reach): this {
    this.result = undefined;
    this.register.change(change, (result) => (this.result = result), this.now);
    return this.go(reach);
  }

  read(reach: Reach): this {
    this.result = undefined;
    this.register.read((result) => (this.result = result), this.now);
    return this.go(reach);
  }

  /** Messages out of reach are lost, or wait for `wakes`. Rounds that are refused start over. */
  go(reach: Reach): this {
    this.sent.length = 0;
    for (;;) {
      const sends = this.out.effects.filter((e) => e.kind === "send");
      this.out.effects.length = 0;
      for (const { to, message } of sends) {
        this.sent.push(`${message.type} ${to}`);
        const heard = message.type === "manifestPrepare" ? reach.prepare : reach.accept;
        if (heard.includes(to)) this.deliver(to, message);
        else this.late.push({ to, message });
      }
      if (sends.length > 0) continue;
      if (!this.refused) return this;
      this.refused = false;
      this.now += PAUSE_MS;
      this.register.tick(this.now);
    }
  }

  /** What was sent before and never arrived arrives now; then the operation goes on with the reach given. */
  wakes(reach: Reach): this {
    for (const { to, message } of this.late.splice(0)) this.deliver(to, message);
    return this.go(reach);
  }

  /** The round's patience has ended. */
  again(reach: Reach): this {
    this.now += 10_000;
    this.register.tick(this.now);
    return this.go(reach);
  }

  private deliver(to: NodeName, message: StorageMessage): void {
    const answer = this.seats.get(to)!.answer(message)!;
    if ("granted" in answer && !answer.granted) this.refused = true;
    if (answer.type === "manifestPromise") this.register.onPromise(to, answer, this.now);
    if (answer.type === "manifestAccepted") this.register.onAccepted(to, answer, this.now);
  }
}

export const noted =
  (text: string): Change =>
  (m) => ({ ...m!, volume: `${m!.volume} ${text}` });

export const shown = (m: Manifest | undefined): string =>
  m === undefined ? "nothing" : `${m.revision}: ${m.volume.trim()}`;
