// SPDX-License-Identifier: Apache-2.0

/**
 * Lets callers that come at once share one read, without ever giving one of them an answer older than the question: a caller gets a read that began
 * after the call arrived. At most one read runs and one waits.
 */
export function shareReads<T>(read: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | null = null;
  let next: Promise<T> | null = null;

  const start = (): Promise<T> => {
    const mine = read().finally(() => {
      if (running === mine) running = null;
    });
    running = mine;
    return mine;
  };

  return () => {
    if (running === null && next === null) {
      // Callers of the same turn of the event loop share: the read begins after the last of them.
      next = Promise.resolve().then(() => {
        next = null;
        return start();
      });
      return next;
    }
    if (next === null) {
      const before = running ?? Promise.resolve();
      next = Promise.allSettled([before]).then(() => {
        next = null;
        return start();
      });
    }
    return next;
  };
}
