# Sees an echo request that carries a token, and its reply, on every interface of a network namespace: plain,
# or packed into VXLAN. No tcpdump: one packet socket sees all interfaces. Goes behind agent-base.pl.
# Arguments: this text, role, token (16 hex digits), UDP port of VXLAN, seconds until it ends by itself.
# Input: "end"; its end ends the program too. Output, behind the token:
#   ready      failed WHY      bye
#   saw IFINDEX in|out request|reply SECONDS BYTES TTL FROM TO OUTERFROM|- OUTERTO|- OUTERTTL VNI
my (undef, undef, $token, $port, $seconds) = @ARGV;
alarm $seconds;
my ($raw, $lines) = (pack('H16', $token), 0);
my ($AF_PACKET, $ETH_P_ALL, $SO_ATTACH_FILTER, $SIOCGSTAMP, $OUTGOING) = (17, 3, 26, 0x8906, 4);

sub report { syswrite STDOUT, join(' ', $token, @_) . "\n" }

# Only all protocols show what goes out. SOCK_DGRAM: a packet begins with its IP header on any kind of link.
my $s;
unless (socket $s, $AF_PACKET, SOCK_DGRAM, unpack 'S', pack 'n', $ETH_P_ALL) {
    report('failed', "no packet socket: $!");
    exit;
}
# The kernel drops what is neither ICMP nor VXLAN, or a busy host would send all of its traffic through here.
my @filter = (
    [ 0x30, 0, 0, 0 ], [ 0x54, 0, 0, 0xf0 ], [ 0x15, 0, 7, 0x40 ],    # IPv4, or drop
    [ 0x30, 0, 0, 9 ], [ 0x15, 4, 0, 1 ], [ 0x15, 0, 4, 17 ],         # ICMP: take; UDP, or drop
    [ 0xb1, 0, 0, 0 ], [ 0x48, 0, 0, 2 ], [ 0x15, 0, 1, $port ],      # X = length of the header; its port
    [ 0x06, 0, 0, 0x40000 ], [ 0x06, 0, 0, 0 ],
);
my $code = join '', map { pack 'S C C L', @$_ } @filter;
setsockopt $s, SOL_SOCKET, $SO_ATTACH_FILTER, pack 'S x![L!] P', scalar @filter, $code;
setsockopt $s, SOL_SOCKET, SO_RCVBUF, 1 << 20;
my $stamp = "\0" x 32;
ioctl $s, $SIOCGSTAMP, $stamp;                     # the first time fails, and turns time stamps on
report('ready');

sub echo {                                         # type, length, TTL, from, to of an echo with the token
    my $packet = shift;
    return if length $packet < 38 or ord($packet) >> 4 != 4 or ord(substr $packet, 9) != 1;
    my $header = 4 * (ord($packet) & 15);
    my $type   = ord substr $packet, $header;
    return unless $type == 8 or $type == 0;
    return unless length $packet >= $header + 16 and substr($packet, $header + 8, 8) eq $raw;
    return ($type, unpack('x2 n', $packet), ord(substr $packet, 8), map { inet_ntoa(substr $packet, $_, 4) } 12, 16);
}

sub take {
    my ($link, $kind, $packet) = @_;
    my @outer = ('-', '-', 0, 0);
    my @found = echo($packet);
    if (!@found and length $packet > 50 and ord(substr $packet, 9) == 17) {
        my $header = 4 * (ord($packet) & 15);
        my ($to_port, $flags, $vni) = unpack "x$header x2 n x4 C x3 N", $packet;
        return unless $to_port == $port and $flags & 8;
        # The frame inside: 8 bytes of UDP, 8 of VXLAN and 14 of Ethernet before its IP header.
        return unless length $packet > $header + 30 and unpack("x$header x28 n", $packet) == 0x800;
        @found = echo(substr $packet, $header + 30);
        @outer = ((map { inet_ntoa(substr $packet, $_, 4) } 12, 16), ord(substr $packet, 8), $vni >> 8);
    }
    return unless @found and $lines++ < 500;
    ioctl $s, $SIOCGSTAMP, $stamp;
    my ($second, $micro) = unpack 'l!l!', $stamp;
    my ($type, $length, $ttl, $from, $to) = @found;
    report('saw', $link, $kind == $OUTGOING ? 'out' : 'in', $type == 8 ? 'request' : 'reply',
        sprintf('%d.%06d', $second, $micro), $length, $ttl, $from, $to, @outer);
}

my ($input, $ending) = ('', 0);
while (1) {
    my $in = '';
    vec($in, fileno $s, 1) = 1;
    vec($in, fileno STDIN, 1) = 1 unless $ending;
    my $ready = select $in, undef, undef, $ending ? 0 : undef;
    last if $ending and $ready <= 0;
    if (vec $in, fileno $s, 1) {
        my $from = recv $s, my $packet, 2048, 0;
        if (defined $from and length $from >= 12) {
            my ($link, $kind) = unpack 'x4 l x2 C', $from;
            take($link, $kind, $packet);
        }
    }
    if (!$ending and vec $in, fileno STDIN, 1) {
        exit unless sysread STDIN, $input, 4096, length $input;
        $ending = 1 if $input =~ /^end\n/m;
    }
}
report('bye');
