# A real packet on its way: echo requests, small ones and one of the largest size with DF, to one address.
# Arguments: token (16 hex digits), address, size of the largest packet in bytes. Goes behind
# agent-base.pl. Output, behind the token:
#   echo small|full SENT ANSWERED MILLISECONDS|- ERRNO|-      refused TYPE CODE FROM MTU
my ($token, $to, $full) = @ARGV;
alarm 5;
my ($where, $id) = (pack_sockaddr_in(0, inet_aton($to)), $$ & 0xffff);
my %its = map { $_ => { sent => 0, trips => [], at => {}, error => '-' } } qw(small full);
my %refused;

sub report { syswrite STDOUT, join(' ', $token, @_) . "\n" }

my $s;
unless (socket $s, AF_INET, SOCK_RAW, 1) {
    report('echo', $_, 0, 0, '-', name($! + 0)) for qw(small full);
    exit;
}
setsockopt $s, 0, 10, 3;                           # IP_MTU_DISCOVER, IP_PMTUDISC_PROBE: never cut up

sub ping {
    my ($kind, $number, $size) = @_;
    my $body = pack 'n n H16 n', $id, $number, $token, $number;
    $body .= "\0" x ($size - 24 - length $body) if $size > 24 + length $body;
    my $packet = pack('C C n', 8, 0, checksum("\x08\0\0\0$body")) . $body;
    $its{$kind}{sent}++;
    $its{$kind}{at}{$number} = $clock->();
    defined send $s, $packet, 0, $where or $its{$kind}{error} = name($! + 0);
}

sub take {
    my $packet = shift;
    my $header = 4 * (ord($packet) & 15);
    return if length $packet < $header + 8;
    my ($type, $code, $mtu) = unpack "x$header C C x4 n", $packet;
    if (($type == 3 or $type == 11) and length $packet > $header + 8 + 20) {
        # What was refused comes back behind the message: its own header, and at least eight bytes.
        my $inner = substr $packet, $header + 8;
        my $its   = 4 * (ord($inner) & 15);
        my ($proto, $to_) = unpack 'x9 C x6 N', $inner;
        return unless $proto == 1 and $to_ == unpack 'N', inet_aton($to);
        return unless length $inner >= $its + 6 and unpack("x$its x4 n", $inner) == $id;
        $refused{ join ' ', $type, $code, inet_ntoa(substr $packet, 12, 4), $mtu } = 1;
        return;
    }
    return unless $type == 0 and length $packet >= $header + 18;
    my ($token_, $number) = unpack "x$header x8 H16 n", $packet;
    return unless $token_ eq $token;
    my $kind = $number < 100 ? 'small' : 'full';
    my $at   = delete $its{$kind}{at}{$number} // return;
    push @{ $its{$kind}{trips} }, $clock->() - $at;
}

my $started = $clock->();
my @plan = ([ 0, 'small', 0, 84 ], [ 0.03, 'small', 1, 84 ], [ 0.06, 'small', 2, 84 ],
    [ 0.07, 'full', 100, $full ], [ 0.15, 'full', 101, $full ], [ 0.3, 'small', 3, 84 ],
    [ 0.31, 'full', 102, $full ], [ 0.7, 'small', 4, 84 ], [ 0.71, 'full', 103, $full ]);
while (1) {
    my $now = $clock->() - $started;
    while (@plan and $plan[0][0] <= $now) {
        my ($at, $kind, @more) = @{ shift @plan };
        next if $kind eq 'full' ? @{ $its{full}{trips} } : @{ $its{small}{trips} } >= 3;
        ping($kind, @more);
    }
    last if @{ $its{small}{trips} } >= 3 and @{ $its{full}{trips} } or $now > 1.5;
    my $wait = @plan ? $plan[0][0] - $now : 1.5 - $now;
    my $in = '';
    vec($in, fileno $s, 1) = 1;
    next unless select($in, undef, undef, $wait < 0.1 ? $wait : 0.1) > 0;
    my $packet;
    take($packet) if defined recv $s, $packet, 65536, 0;
}
for my $kind (qw(small full)) {
    my @trips = sort { $a <=> $b } @{ $its{$kind}{trips} };
    report('echo', $kind, $its{$kind}{sent}, scalar @trips, @trips ? sprintf('%.3f', 1000 * $trips[0]) : '-',
        $its{$kind}{error});
}
report('refused', $_) for (sort keys %refused)[ 0 .. (keys %refused > 9 ? 9 : keys(%refused) - 1) ];
