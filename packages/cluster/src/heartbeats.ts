/**
 * Who is alive: the heartbeats of a process's channels, other processes' and clients' each at their own pace.
 *
 * Clients may be thousands and are not waited for by anybody: they are looked after more seldom, and given more time. The
 * hosts call `tick` from the one timer that they have.
 */
import { SixfoldError } from "@sixfold/model";
import { Heartbeat, type Beating, type HeartbeatSettings } from "@sixfold/ports";

export interface LivenessSettings extends HeartbeatSettings {
  /** The same for clients: a node says so often at least that it lives. Milliseconds. */
  readonly clientHeartbeatMs: number;
  /** A client that was not heard for so long is gone: its open transactions end. Milliseconds. */
  readonly clientDeadAfterMs: number;
}

export const DEFAULT_LIVENESS: LivenessSettings = Object.freeze({
  heartbeatMs: 250,
  deadAfterMs: 2000,
  clientHeartbeatMs: 1000,
  clientDeadAfterMs: 5000,
});

export class Heartbeats {
  private readonly processes: Heartbeat;
  private readonly clients: Heartbeat;

  constructor(settings: Partial<LivenessSettings> = {}) {
    const { heartbeatMs, deadAfterMs, clientHeartbeatMs, clientDeadAfterMs } = {
      ...DEFAULT_LIVENESS,
      ...settings,
    };
    this.processes = new Heartbeat(checked({ heartbeatMs, deadAfterMs }));
    this.clients = new Heartbeat(checked({ heartbeatMs: clientHeartbeatMs, deadAfterMs: clientDeadAfterMs }));
  }

  /** A link is open. Until it is known who is at the other end, it is another process. */
  opened(channel: Beating): void {
    this.processes.add(channel);
  }

  /** It is a client. */
  toClient(channel: Beating): void {
    this.processes.remove(channel);
    this.clients.add(channel);
  }

  closed(channel: Beating): void {
    this.processes.remove(channel);
    this.clients.remove(channel);
  }

  tick(now: number): void {
    this.processes.tick(now);
    this.clients.tick(now);
  }
}

function checked(settings: HeartbeatSettings): HeartbeatSettings {
  const { heartbeatMs, deadAfterMs } = settings;
  if (heartbeatMs > 0 && deadAfterMs >= 2 * heartbeatMs) return settings;
  throw new SixfoldError(
    "bad-request",
    `a peer needs at least two heartbeats to be heard: ${deadAfterMs} ms are too few for one every ${heartbeatMs} ms`,
  );
}
