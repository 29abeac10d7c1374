/* The checker: without an operating system, through the BIOS alone, it reads every sector of the
   disk under proof and compares it with the table on its own disk. Real mode, compiled with gcc
   -m16: program, table and stack below 64 KiB, the pages read in the 64 KiB after that, by GS.

   The table tells for each page the number of the write that it must show, or 0 for zeros; all other
   bytes of a page follow from volume, number and place (harness/oracle/pages.py), and are worked out
   here a second time. Of a page that no write explains (an old footer, say) it holds the CRC-32,
   with bit 63 set. Page 0 may be a boot sector; it is on the checker's disk byte for byte.

   Told over the first serial port: one line for the size, one for the first page that is wrong, one
   for the result. Exit status of QEMU: 33 all right, 35 something is wrong, 37 could not read. */

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

enum {
    PAGE = 512,
    WORDS = PAGE / 8,
    FIRST_FILLER = 4,
    LAST = WORDS - 1,
    RIGHT = 0x10,
    WRONG = 0x11,
    UNREADABLE = 0x12,
    TABLE_SECTORS = 16,
    IN_TABLE = TABLE_SECTORS * PAGE / 8,
    STEP = 128, /* pages read at once: SeaBIOS takes no more, and each read costs a millisecond */
    PAGES_SEGMENT = 0x1000,
};

static const u64 GOLDEN = 0x9E3779B97F4A7C15ull;
static const u64 MAGIC = 0x313045474150504Dull; /* "MPPAGE01" */
static const u64 BOOT_MAGIC = 0x544F4F42504Dull; /* "MPBOOT", behind a jump of two bytes */

/* Fixed places, so that the program needs no cleared memory. */
#define TABLE ((u64 *)0xC000)
#define FIRST_PAGE ((const u64 *)0xBC00)
#define PLAN ((const struct plan *)0xBA00)
#define CRC_TABLE ((u32 *)0xB600)

typedef const __seg_gs u64 *page_t;
#define PAGES ((page_t)0)

struct plan { /* one sector, behind the program on the checker's disk */
    u64 magic;
    u32 volume, unused;
    u64 pages;
    u64 first_page_is_literal;
};

struct packet {
    u8 size, zero;
    u16 sectors, offset, segment;
    u64 first;
} __attribute__((packed));

struct parameters {
    u16 size, flags;
    u32 cylinders, heads, per_track;
    u64 sectors;
    u16 sector_bytes;
} __attribute__((packed));

static u8 disk, own;
static u32 volume;

static void put(char c)
{
    __asm__ volatile("outb %0, %1" : : "a"(c), "d"((u16)0x3F8));
}

static void say(const char *text)
{
    while (*text)
        put(*text++);
}

static void say_number(u64 value)
{
    /* 64-bit division would need a library: the digits are hexadecimal */
    int shift = 60;
    while (shift > 0 && !(value >> shift & 15))
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        put("0123456789abcdef"[value >> shift & 15]);
}

static void tell(const char *text, u64 value)
{
    say(text);
    say_number(value);
}

static void __attribute__((noreturn)) leave(u8 status)
{
    __asm__ volatile("outb %0, %1" : : "a"(status), "d"((u16)0x501));
    for (;;)
        __asm__ volatile("hlt");
}

/* INT 13h; the carry flag is its answer. */
static u8 bios_disk(u8 function, u8 drive, void *record)
{
    u8 failed;
    u32 ax = (u32)function << 8;
    __asm__ volatile("int $0x13; setc %0"
                     : "=q"(failed), "+a"(ax)
                     : "d"((u32)drive), "S"(record)
                     : "ebx", "ecx", "edi", "memory", "cc");
    return failed;
}

static void read(u8 drive, u64 first, u16 count, u16 segment, u32 offset)
{
    struct packet packet = {sizeof packet, 0, count, (u16)offset, segment, first};
    if (bios_disk(0x42, drive, &packet)) {
        tell("unreadable drive ", drive);
        tell(" page ", first);
        say("\n");
        leave(UNREADABLE);
    }
}

static u64 mix(u64 x)
{
    x += GOLDEN;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
    return x ^ (x >> 31);
}

static void make_crc_table(void)
{
    for (u32 i = 0; i < 256; i++) {
        u32 value = i;
        for (int bit = 0; bit < 8; bit++)
            value = (value >> 1) ^ (value & 1 ? 0xEDB88320u : 0);
        CRC_TABLE[i] = value;
    }
}

static u32 crc(const __seg_gs u8 *data, int length)
{
    u32 value = 0xFFFFFFFFu;
    for (int i = 0; i < length; i++)
        value = (value >> 8) ^ CRC_TABLE[(value ^ data[i]) & 0xFF];
    return ~value;
}

static int is_zero(page_t page)
{
    const __seg_gs u32 *half = (const __seg_gs u32 *)page;
    u32 any = 0;
    for (int i = 0; i < 2 * WORDS; i += 8) /* unrolled: most of every disk is zeros */
        any |= half[i] | half[i + 1] | half[i + 2] | half[i + 3] | half[i + 4] | half[i + 5] |
               half[i + 6] | half[i + 7];
    return !any;
}

/* Is this, in every byte, what write `number` puts at `index`? */
static int shows(page_t page, u64 number, u64 index)
{
    u64 key = mix(mix(mix(volume) ^ number) ^ index), salt = 0;
    if (page[0] != MAGIC || page[1] != volume || page[2] != number || page[3] != index)
        return 0;
    for (int i = FIRST_FILLER; i < LAST; i++) {
        salt += GOLDEN;
        if (page[i] != (key ^ salt))
            return 0;
    }
    return page[LAST] == (u64)crc((const __seg_gs u8 *)page, PAGE - 4) << 32;
}

static int same(page_t page, const u64 *expected)
{
    for (int i = 0; i < WORDS; i++)
        if (page[i] != expected[i])
            return 0;
    return 1;
}

static void tell_page(page_t page, u64 expected, u64 index)
{
    tell("page ", index);
    tell(" expected ", expected);
    if (is_zero(page))
        say(" found 0\n");
    else if (page[0] >> 16 == BOOT_MAGIC) {
        tell(" found another boot sector, of ", page[2]);
        say("\n");
    } else if (page[2] && shows(page, page[2], page[3])) {
        tell(" found ", page[2]);
        tell(" of page ", page[3]);
        say("\n");
    } else
        say(" found torn\n");
}

static int is_right(page_t page, u64 expected, u64 index)
{
    if (index == 0 && PLAN->first_page_is_literal)
        return same(page, FIRST_PAGE);
    if (expected >> 63)
        return crc((const __seg_gs u8 *)page, PAGE) == (u32)expected;
    return expected ? shows(page, expected, index) : is_zero(page);
}

static u64 check_pages(u64 count)
{
    u64 wrong = 0;
    for (u64 at = 0; at < count; at += STEP) {
        u16 here = count - at < STEP ? (u16)(count - at) : STEP;
        if (!(at & (IN_TABLE - 1)))
            read(own, CHECKER_SECTORS + 3 + (at >> 6), TABLE_SECTORS, 0, (u32)TABLE);
        read(disk, at, here, PAGES_SEGMENT, 0);
        for (u16 i = 0; i < here; i++) {
            page_t page = PAGES + i * WORDS;
            u64 expected = TABLE[(at + i) & (IN_TABLE - 1)];
            if (!is_right(page, expected, at + i) && !wrong++)
                tell_page(page, expected, at + i);
        }
    }
    return wrong;
}

void __attribute__((regparm(2), noreturn)) check(u32 under_proof, u32 checker)
{
    struct parameters told = {sizeof told, 0, 0, 0, 0, 0, 0};
    disk = (u8)under_proof;
    own = (u8)checker;
    make_crc_table();
    __asm__ volatile("movw %0, %%gs" : : "r"((u16)PAGES_SEGMENT));
    read(own, CHECKER_SECTORS + 1, 1, 0, (u32)PLAN);
    read(own, CHECKER_SECTORS + 2, 1, 0, (u32)FIRST_PAGE);
    volume = PLAN->volume;
    tell("booted from ", disk == 0x80 ? 0 : 1);
    say("\n");
    if (bios_disk(0x48, disk, &told))
        leave(UNREADABLE);
    tell("size ", told.sectors);
    tell(" expected ", PLAN->pages);
    say("\n");
    u64 wrong = told.sectors != PLAN->pages;
    wrong += check_pages(told.sectors < PLAN->pages ? told.sectors : PLAN->pages);
    tell(wrong ? "WRONG " : "RIGHT ", wrong ? wrong : PLAN->pages);
    say("\n");
    leave(wrong ? WRONG : RIGHT);
}
