/**
 * Network: whole binary frames over ordered connections (WebSockets in the real world).
 *
 * A link is reliable and ordered while it lives, and then dies as a whole: there is no lost frame in
 * the middle, only a suffix that the peer may or may not have seen. Everything above is built on just
 * that. Nothing is ever sent twice by this layer, and nothing reconnects by itself.
 *
 *   connect ──> (sends queue) ──open──> frame* / drain* ──> closed      closed: exactly once
 *   accept  ─────────────────── open ─> frame* / drain* ──> closed
 *
 * Back-pressure: a sender that looks at `bufferedBytes` before it produces more, and goes on at
 * `drain`, never holds more than `highMarkBytes` and one frame in memory for a slow peer.
 */

/** One connection, both directions. */
export interface Link {
  /** The other end, for logs only: never parsed, never compared. */
  readonly remote: string;

  /** Bytes sent and not yet taken by the kernel. 0 after close. */
  readonly bufferedBytes: number;

  /**
   * Sends one whole frame, in order. No copy is made: neither the sender nor anyone else may change
   * the bytes afterwards, for the receiver of a simulated network is handed the very same ones.
   * Before `open` frames are queued; after close they are dropped silently, since a sender cannot
   * know earlier than that it is talking to nobody. `sent`: called, at most once and never within this call, when
   * nobody looks at the bytes any more; a network that cannot tell never calls it.
   */
  send(frame: Uint8Array, sent?: () => void): void;

  /**
   * Idempotent. Frames already sent are still delivered if the peer lives; none is received any more.
   * `closed` follows, never within this call. `reason` travels to the peer (at most 123 bytes of UTF-8).
   */
  close(reason?: string): void;
}

export interface LinkHandlers {
  /** Once, before the first frame. Not called if connecting fails. */
  open?(link: Link): void;

  /** The receiver owns the bytes but must not change them (see `send`), unless they are in memory that it named. May be a view on a larger buffer. */
  frame(link: Link, frame: Uint8Array): void;

  /** `bufferedBytes` has fallen to `lowMarkBytes` or below after having exceeded `highMarkBytes`. */
  drain?(link: Link): void;

  /** Exactly once per link, the last call for it; also when connecting failed. `reason` is for people. */
  closed(link: Link, reason: string): void;
}

/** Above this many buffered bytes a sender should stop, and `drain` is armed: 1 MiB, about 10 ms at 1 Gbit/s. */
export const highMarkBytes = 1 << 20;

/** `drain` comes at or below this: a quarter, so that the pipe does not run empty meanwhile. */
export const lowMarkBytes = highMarkBytes >> 2;

export interface HttpRequest {
  readonly method: "GET" | "POST";
  /** Without query. */
  readonly path: string;
  /** At most 64 KiB; empty of a GET. */
  readonly body: string;
}

export interface HttpAnswer {
  readonly status: number;
  /** Content type, such as "text/plain; charset=utf-8". */
  readonly type: string;
  readonly body: string | Uint8Array;
}

export interface ListenAddress {
  readonly host: string;
  /** 0 = any free port; see `Listener.port`. */
  readonly port: number;
  /** A longer frame closes the link with a reason on both sides. */
  readonly maxFrameBytes: number;
  /** Plain requests on the same port (health, metrics, console, commands); `undefined` = 404. HEAD is asked as GET. */
  readonly http?: (request: HttpRequest) => HttpAnswer | Promise<HttpAnswer> | undefined;
}

export interface ConnectOptions {
  /** A longer frame closes the link with a reason on both sides. */
  readonly maxFrameBytes: number;
  /** Node to node: no proxy lies between, so frames need no random mask (half of a sender's cost). */
  readonly trusted: boolean;
  /** Not open after this: closed. */
  readonly timeoutMs: number;
  /**
   * Memory for a frame that is about to come, of exactly so many bytes, which nobody else looks at until the frame is handed over in it; `undefined`:
   * in any. A network need not ask, and asks for large frames only. What a link that ends was given for a frame in the middle of it is lost.
   */
  readonly roomFor?: ((bytes: number) => Uint8Array | undefined) | undefined;
}

export interface Listener {
  readonly port: number;
  /** `ws://host:port` */
  readonly url: string;
  /** Stops listening and closes every link it accepted. */
  close(): Promise<void>;
}

export interface Network {
  /** Rejects when the address cannot be had. */
  listen(at: ListenAddress, handlers: LinkHandlers): Promise<Listener>;

  /** The link can be sent to at once. Failure is told by `closed`, never thrown, never within this call. */
  connect(url: string, options: ConnectOptions, handlers: LinkHandlers): Link;
}
