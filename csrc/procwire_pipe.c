#ifdef _WIN32

#include "procwire_pipe.h"

#include "procwire_platform.h"

#include <stdlib.h>
#include <winternl.h>

/* What the system is asked to hold of what is not read yet, in each direction. */
#define BUFFER_SIZE (256 * 1024)

/* Something that goes on by itself. */
typedef struct {
    OVERLAPPED overlapped;
    volatile LONG goes_on;
    DWORD error; /* what has come of it */
} operation;

struct procwire_pipe {
    HANDLE handle;
    PTP_IO io;
    SOCKET bell;
    int tells_at_once; /* of what ends at once nothing is told a second time */
    operation incoming;
    operation outgoing;
};

/* ---- what goes on --------------------------------------------------------------------------- */

/* In a thread of the system's. */
static void CALLBACK ended(PTP_CALLBACK_INSTANCE instance, void *context, void *overlapped,
                           ULONG error, ULONG_PTR count, PTP_IO io) {
    procwire_pipe *pipe = context;
    operation *done = overlapped == &pipe->incoming.overlapped ? &pipe->incoming : &pipe->outgoing;
    (void)instance, (void)count, (void)io;
    done->error = error;
    InterlockedExchange(&done->goes_on, 0);
    send(pipe->bell, "", 1, 0);
}

static void prepare(procwire_pipe *pipe, operation *begun) {
    ZeroMemory(&begun->overlapped, sizeof begun->overlapped);
    begun->error = 0;
    InterlockedExchange(&begun->goes_on, 1);
    StartThreadpoolIo(pipe->io);
}

/* What the call that has begun with it says; returns the error of the beginning. */
static DWORD take_beginning(procwire_pipe *pipe, operation *begun, BOOL done) {
    DWORD error = done ? 0 : GetLastError();
    if (error == ERROR_IO_PENDING || (done && !pipe->tells_at_once))
        return 0;
    CancelThreadpoolIo(pipe->io);
    begun->error = error;
    InterlockedExchange(&begun->goes_on, 0);
    return error;
}

static DWORD outcome(operation *begun) {
    if (InterlockedCompareExchange(&begun->goes_on, 0, 0))
        return ERROR_IO_INCOMPLETE;
    return begun->error;
}

/* ---- who may connect ------------------------------------------------------------------------ */

/* This user, and nobody else: not the administrators either, who can become him. */
typedef struct {
    SECURITY_ATTRIBUTES attributes;
    SECURITY_DESCRIPTOR descriptor;
    union {
        ACL acl;
        char room[sizeof(ACL) + sizeof(ACCESS_ALLOWED_ACE) + SECURITY_MAX_SID_SIZE];
    } access;
    union {
        TOKEN_USER user;
        char room[sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE];
    } owner;
} owner_only;

static DWORD make_owner_only(owner_only *security) {
    HANDLE token;
    DWORD size;
    if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token))
        return GetLastError();
    BOOL done = GetTokenInformation(token, TokenUser, &security->owner, sizeof security->owner,
                                    &size);
    DWORD error = done ? 0 : GetLastError();
    CloseHandle(token);
    if (error)
        return error;
    PSID sid = security->owner.user.User.Sid;
    if (!InitializeAcl(&security->access.acl, sizeof security->access, ACL_REVISION) ||
        !AddAccessAllowedAce(&security->access.acl, ACL_REVISION, FILE_ALL_ACCESS, sid) ||
        !InitializeSecurityDescriptor(&security->descriptor, SECURITY_DESCRIPTOR_REVISION) ||
        !SetSecurityDescriptorOwner(&security->descriptor, sid, FALSE) ||
        !SetSecurityDescriptorDacl(&security->descriptor, TRUE, &security->access.acl, FALSE) ||
        !SetSecurityDescriptorControl(&security->descriptor, SE_DACL_PROTECTED, SE_DACL_PROTECTED))
        return GetLastError();
    security->attributes.nLength = sizeof security->attributes;
    security->attributes.lpSecurityDescriptor = &security->descriptor;
    security->attributes.bInheritHandle = FALSE;
    return 0;
}

/* ---- both ends ------------------------------------------------------------------------------ */

/* Takes the handle, also when it fails. */
static DWORD wrap(HANDLE handle, intptr_t bell, procwire_pipe **pipe) {
    if (handle == INVALID_HANDLE_VALUE)
        return GetLastError();
    DWORD error = ERROR_NOT_ENOUGH_MEMORY;
    procwire_pipe *made = calloc(1, sizeof *made);
    if (made != NULL) {
        made->handle = handle;
        made->bell = (SOCKET)bell;
        made->tells_at_once =
            SetFileCompletionNotificationModes(handle, FILE_SKIP_COMPLETION_PORT_ON_SUCCESS);
        made->io = CreateThreadpoolIo(handle, ended, made, NULL);
        if (made->io != NULL) {
            *pipe = made;
            return 0;
        }
        error = GetLastError();
    }
    free(made);
    CloseHandle(handle);
    return error;
}

unsigned long procwire_pipe_offer(const wchar_t *name, int first, intptr_t bell,
                                  procwire_pipe **pipe) {
    owner_only security;
    DWORD error = make_owner_only(&security);
    if (error)
        return error;
    return wrap(CreateNamedPipeW(name,
                                 PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED |
                                     (first ? FILE_FLAG_FIRST_PIPE_INSTANCE : 0),
                                 PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT |
                                     PIPE_REJECT_REMOTE_CLIENTS,
                                 PIPE_UNLIMITED_INSTANCES, BUFFER_SIZE, BUFFER_SIZE, 0,
                                 &security.attributes),
                bell, pipe);
}

unsigned long procwire_pipe_open(const wchar_t *name, intptr_t bell, procwire_pipe **pipe) {
    /* Whoever has made the pipe may know who we are, but must not act as if he were us. */
    return wrap(CreateFileW(name, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING,
                            FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION,
                            NULL),
                bell, pipe);
}

unsigned long procwire_pipe_begin_accept(procwire_pipe *pipe) {
    prepare(pipe, &pipe->incoming);
    BOOL done = ConnectNamedPipe(pipe->handle, &pipe->incoming.overlapped);
    DWORD error = take_beginning(pipe, &pipe->incoming, done);
    if (error != ERROR_PIPE_CONNECTED)
        return error;
    /* Somebody was faster than this call. */
    pipe->incoming.error = 0;
    return 0;
}

unsigned long procwire_pipe_begin_wait(procwire_pipe *pipe) {
    prepare(pipe, &pipe->incoming);
    BOOL done = ReadFile(pipe->handle, "", 0, NULL, &pipe->incoming.overlapped);
    return take_beginning(pipe, &pipe->incoming, done);
}

unsigned long procwire_pipe_waited(procwire_pipe *pipe) {
    return outcome(&pipe->incoming);
}

unsigned long procwire_pipe_read(procwire_pipe *pipe, void *data, size_t size, size_t *count) {
    DWORD there, taken = 0;
    *count = 0;
    if (!PeekNamedPipe(pipe->handle, NULL, 0, NULL, &there, NULL))
        return GetLastError();
    if (there == 0)
        return 0;
    /* It is there: this ends at once. */
    prepare(pipe, &pipe->incoming);
    BOOL done = ReadFile(pipe->handle, data, there < size ? there : (DWORD)size, NULL,
                         &pipe->incoming.overlapped);
    DWORD error = take_beginning(pipe, &pipe->incoming, done);
    if (error)
        return error;
    if (!GetOverlappedResult(pipe->handle, &pipe->incoming.overlapped, &taken, TRUE))
        return GetLastError();
    *count = taken;
    /* Where it is told all the same, that is over before the next one begins. */
    while (InterlockedCompareExchange(&pipe->incoming.goes_on, 0, 0))
        SwitchToThread();
    return 0;
}

/* What the headers for programs leave out. */
#define FILE_PIPE_LOCAL_INFORMATION_CLASS 24
#define FILE_PIPE_CLOSING_STATE 4

typedef struct {
    ULONG type, configuration, maximum_instances, current_instances;
    ULONG inbound_quota, readable, outbound_quota, writable;
    ULONG state, end;
} pipe_local_information;

typedef NTSTATUS(NTAPI *query_information)(HANDLE, IO_STATUS_BLOCK *, void *, ULONG, int);

int procwire_pipe_hung_up(procwire_pipe *pipe) {
    IO_STATUS_BLOCK status;
    pipe_local_information information;
    query_information query = (query_information)(void *)GetProcAddress(
        GetModuleHandleW(L"ntdll.dll"), "NtQueryInformationFile");
    return query != NULL &&
           query(pipe->handle, &status, &information, sizeof information,
                 FILE_PIPE_LOCAL_INFORMATION_CLASS) >= 0 &&
           information.state == FILE_PIPE_CLOSING_STATE;
}

unsigned long procwire_pipe_begin_write(procwire_pipe *pipe, const void *data, size_t size) {
    prepare(pipe, &pipe->outgoing);
    BOOL done = WriteFile(pipe->handle, data, (DWORD)size, NULL, &pipe->outgoing.overlapped);
    return take_beginning(pipe, &pipe->outgoing, done);
}

unsigned long procwire_pipe_written(procwire_pipe *pipe) {
    return outcome(&pipe->outgoing);
}

void procwire_pipe_close(procwire_pipe *pipe) {
    CancelIoEx(pipe->handle, NULL);
    /* Soon, now that it is cancelled; until then the memory is the system's. */
    while (outcome(&pipe->incoming) == ERROR_IO_INCOMPLETE ||
           outcome(&pipe->outgoing) == ERROR_IO_INCOMPLETE)
        Sleep(0);
    WaitForThreadpoolIoCallbacks(pipe->io, FALSE);
    CloseHandle(pipe->handle);
    CloseThreadpoolIo(pipe->io);
    free(pipe);
}

#endif
