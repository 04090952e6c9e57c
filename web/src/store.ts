// Conversations in the browser's own database. Without one (a private window of some browsers) they live as
// long as the page.
import type { Conversation } from './types';

const kStore = 'conversations';
let opened: Promise<IDBDatabase | null> | undefined;

function open(): Promise<IDBDatabase | null> {
  opened ??= new Promise((resolve) => {
    try {
      const request = indexedDB.open('fathom', 1);
      request.onupgradeneeded = () => request.result.createObjectStore(kStore, { keyPath: 'id' });
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => resolve(null);
    } catch {
      resolve(null);
    }
  });
  return opened;
}

function run<T>(mode: IDBTransactionMode, work: (store: IDBObjectStore) => IDBRequest<T>): Promise<T | undefined> {
  return open().then(
    (db) =>
      new Promise((resolve, reject) => {
        if (!db) return resolve(undefined);
        const transaction = db.transaction(kStore, mode);
        const request = work(transaction.objectStore(kStore));
        transaction.oncomplete = () => resolve(request.result);
        transaction.onabort = transaction.onerror = () => reject(transaction.error);
      }),
  );
}

/** Newest first. An answer that was running when the page went away is shown as stopped. */
export async function loadAll(): Promise<Conversation[]> {
  const all = ((await run('readonly', (store) => store.getAll())) ?? []) as Conversation[];
  for (const conversation of all)
    for (const turn of Object.values(conversation.turns)) if (turn.status === 'running') turn.status = 'stopped';
  return all.sort((a, b) => b.updated - a.updated);
}
export const save = (conversation: Conversation): Promise<unknown> =>
  run('readwrite', (store) => store.put(conversation));
export const remove = (id: string): Promise<unknown> => run('readwrite', (store) => store.delete(id));
